package relp

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/setting"
)

const (
	// lastNumber is the largest transaction number, after which numbers start at 1
	// again. It is also the largest length, with nine digits (RELP specification, "RELP
	// FRAME").
	lastNumber = 999_999_999

	// longestCommand is in letters (same section).
	longestCommand = 32

	// longestData limits the data of a server's frame. librelp's longest is its answer
	// to open, of a few hundred bytes.
	longestData = 8 << 10

	// longestFrame is longestData with header and line end.
	longestFrame = longestData + longestCommand + 2*len("999999999") + len("   \n")
)

// frame is the unit that both sides send. Its data lie in the buffer that it was
// parsed from.
type frame struct {
	number  int // of the transaction; 0 for a hint
	command string
	data    []byte
}

// appendHeader appends the part of a frame before its data. Without data the line end
// follows at once.
func appendHeader(dst []byte, number int, command string, length int) []byte {
	dst = strconv.AppendInt(dst, int64(number), 10)
	dst = append(dst, ' ')
	dst = append(dst, command...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(length), 10)
	if length > 0 {
		dst = append(dst, ' ')
	}
	return dst
}

// ErrMalformed means that the server does not keep to RELP; it may be of another protocol.
var ErrMalformed = errors.New("malformed frame")

// errTorn means that the bytes are the start of a frame.
var errTorn = errors.New("frame is not complete")

// parse parses the first frame of b and returns the rest. Bytes that cannot become a
// frame are an error at once, even if the end of the frame is missing.
func parse(b []byte) (f frame, rest []byte, err error) {
	if f.number, rest, err = parseNumber(b); err != nil {
		return frame{}, nil, problem("transaction number", err)
	}
	if rest, err = skip(rest, ' '); err != nil {
		return frame{}, nil, problem("end of the transaction number", err)
	}
	if f.command, rest, err = parseCommand(rest); err != nil {
		return frame{}, nil, problem("command", err)
	}
	if rest, err = skip(rest, ' '); err != nil {
		return frame{}, nil, problem("end of the command", err)
	}
	length, rest, err := parseNumber(rest)
	if err == nil && length > longestData {
		err = fmt.Errorf("%d bytes, more than %d", length, longestData)
	}
	if err != nil {
		return frame{}, nil, problem("length of the data", err)
	}
	if f.data, rest, err = parseData(rest, length); err != nil {
		return frame{}, nil, problem("data", err)
	}
	return f, rest, nil
}

func problem(part string, err error) error {
	if err == errTorn {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, part, err)
}

// parseNumber parses one to nine digits, which another byte must follow.
func parseNumber(b []byte) (n int, rest []byte, err error) {
	i := 0
	for i < len(b) && i < 9 && '0' <= b[i] && b[i] <= '9' {
		n = n*10 + int(b[i]-'0')
		i++
	}
	switch {
	case i == len(b):
		return 0, nil, errTorn
	case i == 0:
		return 0, nil, fmt.Errorf("byte %q, want a digit", b[0])
	}
	return n, b[i:], nil
}

// parseCommand parses 1 to 32 letters, which another byte must follow.
func parseCommand(b []byte) (command string, rest []byte, err error) {
	i := 0
	for i < len(b) && i < longestCommand && ('a' <= b[i]|0x20 && b[i]|0x20 <= 'z') {
		i++
	}
	switch {
	case i == len(b):
		return "", nil, errTorn
	case i == 0:
		return "", nil, fmt.Errorf("byte %q, want a letter", b[0])
	}
	if string(b[:i]) == answer { // the most frequent command, without an allocation
		return answer, b[i:], nil
	}
	return string(b[:i]), b[i:], nil
}

func parseData(b []byte, length int) (data, rest []byte, err error) {
	if length > 0 {
		if b, err = skip(b, ' '); err != nil {
			return nil, nil, err
		}
	}
	if len(b) < length {
		return nil, nil, errTorn
	}
	rest, err = skip(b[length:], '\n')
	return b[:length], rest, err
}

func skip(b []byte, want byte) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, errTorn
	}
	if b[0] != want {
		return nil, fmt.Errorf("byte %q, want %q", b[0], want)
	}
	return b[1:], nil
}

// receiver reads frames.
type receiver struct {
	from   io.Reader
	then   func() // called after each read
	buffer [2 * longestFrame]byte
	unread []byte // the part of buffer that is not parsed
}

// next returns the frames that have arrived, and waits for at least one. They are
// valid until the next call.
func (r *receiver) next(frames []frame) ([]frame, error) {
	for frames = frames[:0]; ; {
		f, rest, err := parse(r.unread)
		switch {
		case err == nil:
			r.unread = rest
			frames = append(frames, f)
			continue
		case len(frames) > 0: // return whole frames first
			return frames, nil
		case setting.IsAlert(r.unread):
			return nil, fmt.Errorf("%w: %w", setting.ErrSpeaksTLS, err)
		case err != errTorn:
			return nil, err
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more bytes after the unparsed ones, which are never longer than a frame.
func (r *receiver) fill() error {
	kept := copy(r.buffer[:], r.unread)
	n, err := r.from.Read(r.buffer[kept:])
	r.then()
	r.unread = r.buffer[:kept+n]
	if n > 0 {
		return nil // the next read returns the error again
	}
	return err
}
