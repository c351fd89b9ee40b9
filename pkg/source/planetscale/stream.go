package planetscale

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
)

// stream reads JSON of any length with little memory. It looks only at brackets and
// quotes: what it skips is not validated.
type stream struct {
	in    *bufio.Reader
	left  int64    // bytes that may still be read
	event *outline // collects the bytes of the event being read
}

var (
	errEnough  = errors.New("the answer exceeds the bytes that are read of it")
	errSyntax  = errors.New("not JSON")
	errSeveral = errors.New("one event was requested, and the answer holds several")
)

func newStream(head []byte, rest io.Reader, most int64) *stream {
	return &stream{in: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(head), rest), 64<<10), left: most}
}

// peek returns the next byte without reading it.
func (s *stream) peek() (byte, error) {
	if s.left <= 0 {
		return 0, errEnough
	}
	next, err := s.in.Peek(1)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, err
	}
	return next[0], nil
}

// skip reads the byte that peek returned.
func (s *stream) skip() { s.advance(1) }

// advance reads n bytes that are in the buffer.
func (s *stream) advance(n int) {
	if s.event != nil {
		read, _ := s.in.Peek(n) // Peek does not fail for bytes in the buffer.
		s.event.collect(read)
	}
	s.left -= int64(n)
	s.in.Discard(n) // Nor does Discard.
}

// plain returns the buffered part of a string up to its end or an escape.
func (s *stream) plain() []byte {
	text, _ := s.in.Peek(int(min(int64(s.in.Buffered()), s.left)))
	if end := bytes.IndexAny(text, `"\\`); end >= 0 {
		text = text[:end]
	}
	return text
}

// space skips white space and returns the byte after it without reading it.
func (s *stream) space() (byte, error) {
	for {
		c, err := s.peek()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
		s.skip()
	}
}

// next skips white space and commas, and returns the byte after them. It reads that
// byte only if it is closing, which ends the object or array.
func (s *stream) next(closing byte) (byte, error) {
	for {
		c, err := s.space()
		if err != nil || c != ',' && c != closing {
			return c, err
		}
		s.skip()
		if c == closing {
			return c, nil
		}
	}
}

// value reads a value, or the rest of one inside depth open brackets. It returns the
// value's text, nil if that is longer than most bytes.
func (s *stream) value(depth, most int) ([]byte, error) {
	text := make([]byte, 0, min(most, 64))
	quoted, escaped := false, false
	for {
		c, err := s.peek()
		if err != nil {
			return nil, err
		}
		ends := c == '}' || c == ']'
		if depth == 0 && !quoted && (ends || c == ',' || c == ':') {
			return bounded(text, most), nil
		}
		if quoted && !escaped && c != '"' && c != '\\' {
			run := s.plain()
			text = append(text, run[:min(len(run), max(0, most+1-len(text)))]...)
			s.advance(len(run))
			continue
		}
		s.skip()
		if len(text) <= most {
			text = append(text, c)
		}
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
			ends = true
		case c == '{' || c == '[':
			depth++
		case ends:
			depth--
		}
		if ends && depth == 0 && !quoted {
			return bounded(text, most), nil
		}
	}
}

func bounded(text []byte, most int) []byte {
	if len(text) > most {
		return nil
	}
	return bytes.TrimSpace(text)
}

// object reads an object and calls member with the stream before each value.
func (s *stream) object(member func(key string) error) error {
	s.skip()
	for {
		c, err := s.next('}')
		switch {
		case err != nil || c == '}':
			return err
		case c != '"':
			return errSyntax
		}
		key, err := s.value(0, maxText)
		if err != nil {
			return err
		}
		if c, err = s.space(); err != nil {
			return err
		}
		if c != ':' {
			return errSyntax
		}
		s.skip()
		if _, err := s.space(); err != nil {
			return err
		}
		var name string
		if json.Unmarshal(key, &name) != nil {
			name = "" // Too long for a key that matters.
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// maxText is the longest key or value that is kept from a large answer, in bytes.
const maxText = 1 << 10

// outline is what is kept of a large answer to a request for one event.
type outline struct {
	envelope
	cursorStart, cursorEnd string
	events                 int
	complete               bool // the answer was read to its end

	fields    map[string]json.RawMessage // short ones of the event
	beginning []byte
	size      int64
	sum       hash.Hash
}

// collect adds bytes to the event.
func (o *outline) collect(read []byte) {
	o.size += int64(len(read))
	o.beginning = append(o.beginning, read[:min(len(read), beginning-len(o.beginning))]...)
	o.sum.Write(read) // A hash never fails.
}

// read reads an answer. After an error the outline holds what was read until then.
func (o *outline) read(s *stream) error {
	o.fields, o.sum = map[string]json.RawMessage{}, sha256.New()
	if c, err := s.space(); err != nil || c != '{' {
		return errors.Join(err, errSyntax)
	}
	return s.object(func(key string) error {
		if key == "data" {
			return o.data(s)
		}
		text, err := s.value(0, maxText)
		switch key {
		default:
			o.set(key, string(text))
		case "cursor_start":
			o.cursorStart = cursorOf(text)
		case "cursor_end":
			o.cursorEnd = cursorOf(text)
		}
		return err
	})
}

func cursorOf(text []byte) string {
	var cursor string
	if json.Unmarshal(text, &cursor) != nil {
		return ""
	}
	return cursor
}

// data reads the list of events, which has one at most.
func (o *outline) data(s *stream) error {
	c, err := s.space()
	if err != nil || c != '[' {
		return errors.Join(err, errSyntax)
	}
	s.skip()
	for {
		c, err := s.next(']')
		switch {
		case err != nil:
			return err
		case c == ']':
			o.hasData = true
			return nil
		case o.events > 0:
			return errSeveral
		}
		if err := o.event(s, c); err != nil {
			return err
		}
	}
}

// event reads an event that begins with c. One that is not a valid object is skipped by
// its brackets.
func (o *outline) event(s *stream, c byte) error {
	o.events++
	s.event = o
	defer func() { s.event = nil }()
	if c != '{' {
		_, err := s.value(0, 0)
		return err
	}
	err := s.object(func(key string) error {
		text, err := s.value(0, maxText)
		if json.Valid(text) {
			o.fields[key] = text
		}
		return err
	})
	if errors.Is(err, errSyntax) {
		_, err = s.value(1, 0)
	}
	return err
}
