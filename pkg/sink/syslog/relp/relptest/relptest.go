// Package relptest is a RELP server for tests. It is strict: whatever the protocol
// forbids fails the test, even if rsyslog would accept it. It shares no code with the
// client. A script makes it behave badly.
//
// It does not use TLS (wrap the listener), accepts only the command syslog, and answers
// in the order of the commands unless the script changes that.
package relptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Command is a client's command: open, syslog or close.
type Command struct {
	N       int // counts the commands of all connections, from 1 on
	Number  int // of the transaction
	Name    string
	Message string
}

// Fault changes how the server handles a command. With the zero Fault it takes the
// message and answers 200.
type Fault struct {
	Delay  time.Duration // before the answer
	Status int           // answered instead of 200; the message is not taken
	Raw    string        // sent instead of the answer
	Hint   bool          // after the answer serverclose is sent and the connection closed
	Silent bool          // there is no answer
	Close  bool          // the connection is closed, without an answer unless Raw or Status is set
	Abort  bool          // the message is not taken; the connection is closed, after serverclose if Hint is set, and unsent answers are lost
	Hold   bool          // the answer is sent after the next one that is not held
}

// Server takes messages. Its fields must be set before the first connection.
type Server struct {
	// Script, if set, is called for every command. Calls do not overlap.
	Script func(Command) Fault
	// Window is the most commands that may wait for their answers; default any number,
	// since the protocol leaves it to the client.
	Window int

	tb testing.TB

	mu       sync.Mutex
	commands int
	messages []string
}

// New returns a server without a listener.
func New(tb testing.TB) *Server { return &Server{tb: tb} }

// Listen serves a port of the loopback interface until the test ends, and returns
// its address.
func (s *Server) Listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.tb.Fatal(err)
	}
	s.Accept(l)
	return l.Addr().String()
}

// Accept serves a listener, which it closes with all connections when the test
// ends.
func (s *Server) Accept(l net.Listener) {
	var serving sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	closed := false
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // The listener was closed.
			}
			mu.Lock()
			open = append(open, conn)
			if closed {
				_ = conn.Close()
			}
			mu.Unlock()
			serving.Go(func() { s.Serve(conn) })
		}
	})
	s.tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			s.tb.Error(err)
		}
		mu.Lock()
		closed = true
		for _, conn := range open {
			_ = conn.Close() // it may be closed already
		}
		mu.Unlock()
		serving.Wait()
	})
}

// Messages returns the taken messages, in the order of their arrival.
func (s *Server) Messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Serve serves one connection until it ends. A violation of the protocol fails the test
// and ends the connection. The client may break off at any time.
func (s *Server) Serve(conn net.Conn) {
	c := &connection{server: s, conn: conn, in: bufio.NewReader(conn), out: bufio.NewWriter(conn)}
	err := c.serve()
	_ = conn.Close() // the client may have closed it first
	var wrong violation
	if errors.As(err, &wrong) {
		s.tb.Errorf("RELP client: %v", err)
	}
}

// violation is what a client must not do.
type violation struct{ error }

func violated(format string, args ...any) error {
	return violation{fmt.Errorf(format, args...)}
}

// errEnd means that the script ends the connection.
var errEnd = errors.New("script ends the connection")

// take counts a command, calls the script, and stores the message.
func (s *Server) take(number int, name, message string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands++
	var f Fault
	if s.Script != nil {
		f = s.Script(Command{s.commands, number, name, message})
	}
	if name == "syslog" && f.Status == 0 && !f.Abort {
		s.messages = append(s.messages, message)
	}
	return f
}

type connection struct {
	server *Server
	conn   net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	last   int      // transaction
	held   []string // answers to be sent after the next one
	silent int      // commands without an answer
}

func (c *connection) serve() error {
	for {
		// Answers are sent once no further command has arrived.
		if c.in.Buffered() == 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
		number, name, message, err := readCommand(c.in)
		if err == nil {
			err = c.check(number, name, message)
		}
		if err == nil {
			err = c.answer(number, name, c.server.take(number, name, message))
		}
		if err == nil && name == "close" {
			err = c.awaitEnd()
		}
		if err != nil {
			return errors.Join(err, c.out.Flush())
		}
	}
}

// check checks a command against the previous ones.
func (c *connection) check(number int, name, message string) error {
	want := c.last + 1
	if c.last == 999_999_999 {
		want = 1
	}
	first := c.last == 0
	c.last = number
	switch {
	case number != want:
		return violated("transaction %d, want %d", number, want)
	case first != (name == "open"):
		return violated("%s as transaction %d", name, number)
	case c.server.Window > 0 && c.silent+len(c.held) >= c.server.Window:
		return violated("command after %d unanswered ones", c.silent+len(c.held))
	case name == "open":
		return checkOffers(message)
	case name == "close" && message != "":
		return violated("close with data %q", message)
	case name != "syslog" && name != "close":
		return violated("command %q", name)
	}
	return nil
}

func checkOffers(offers string) error {
	lines := strings.Split(offers, "\n")
	for _, want := range []string{"relp_version=0", "commands=syslog"} {
		if !slices.Contains(lines, want) {
			return violated("open without the offer %s: %q", want, offers)
		}
	}
	return nil
}

func (c *connection) answer(number int, name string, f Fault) error {
	if f.Abort {
		return c.abort(f.Hint)
	}
	if f.Delay > 0 {
		if err := c.out.Flush(); err != nil {
			return err
		}
		<-time.After(f.Delay)
	}
	text := answers(number, name, f)
	switch {
	case f.Hold:
		c.held = append(c.held, text)
		return nil
	case text == "":
		c.silent++
	}
	for _, t := range append([]string{text}, c.held...) {
		if _, err := c.out.WriteString(t); err != nil {
			return err
		}
	}
	c.held = nil
	if f.Close || f.Hint {
		return errEnd
	}
	return nil
}

// abort ends the connection over a message, as librelp does, with the hint if it is
// set.
func (c *connection) abort(hint bool) error {
	c.out.Reset(c.conn)
	if hint {
		if _, err := c.out.WriteString(frame(0, "serverclose", "")); err != nil {
			return err
		}
	}
	return errEnd
}

// answers returns everything that is sent in answer to a command.
func answers(number int, name string, f Fault) string {
	text := ""
	switch {
	case f.Raw != "":
		text = f.Raw
	case f.Status != 0:
		text = frame(number, "rsp", fmt.Sprintf("%d refused by the script", f.Status))
	case f.Silent || f.Close:
	case name == "open":
		text = frame(number, "rsp", "200 OK\nrelp_version=0\nrelp_software=relptest\ncommands=syslog")
	case name == "close": // as librelp does
		text = frame(number, "rsp", "") + frame(0, "serverclose", "")
	default:
		text = frame(number, "rsp", "200 OK")
	}
	if f.Hint {
		text += frame(0, "serverclose", "")
	}
	return text
}

func frame(number int, name, content string) string {
	if content == "" {
		return fmt.Sprintf("%d %s 0\n", number, name)
	}
	return fmt.Sprintf("%d %s %d %s\n", number, name, len(content), content)
}

// awaitEnd waits for the client to close the connection after its command close.
func (c *connection) awaitEnd() error {
	if err := c.out.Flush(); err != nil {
		return err
	}
	if b, err := c.in.ReadByte(); err == nil {
		return violated("byte %q after close", b)
	}
	return io.EOF
}
