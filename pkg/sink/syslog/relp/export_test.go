package relp

import "io"

// Frame is a parsed frame.
type Frame struct {
	Number  int
	Command string
	Data    string
}

// ReadAll reads frames until there are no more.
func ReadAll(from io.Reader) (frames []Frame, err error) {
	r := &receiver{from: from, then: func() {}}
	for {
		next, err := r.next(nil)
		if err != nil {
			return frames, err
		}
		for _, f := range next {
			frames = append(frames, Frame{f.number, f.command, string(f.data)})
		}
	}
}

// Encode encodes a frame.
func Encode(f Frame) string {
	return string(appendHeader(nil, f.Number, f.Command, len(f.Data))) + f.Data + "\n"
}

const LongestData = longestData

// Commands is a window.
type Commands struct{ window }

// CommandsFrom returns a window before its first command, which it counts as n.
func CommandsFrom(n uint64) *Commands { return &Commands{window{oldest: n, next: n}} }

func (c *Commands) Add() int                { return c.add() }
func (c *Commands) Acknowledge(n int) error { return c.acknowledge(n) }
func (c *Commands) Waiting() int            { return c.waiting() }

// Skip advances an idle session as if it had sent n more commands.
func (s *Session) Skip(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window.oldest += n
	s.window.next += n
}
