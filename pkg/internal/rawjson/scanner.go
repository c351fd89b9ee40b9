package rawjson

import (
	"errors"
	"fmt"
)

// Scanner finds where values begin and end, and builds nothing. It accepts exactly what
// encoding/json accepts. The strings that it returns share memory with In, which must
// not change while they are in use.
type Scanner struct {
	In  []byte
	Pos int // of the next byte to scan
}

// maxDepth is the nesting that encoding/json accepts.
const maxDepth = 10000

var errDepth = errors.New("nested too deeply")

// Unexpected returns an error about the next byte. what names what was scanned there.
func (s *Scanner) Unexpected(what string) error {
	if s.Pos >= len(s.In) {
		return fmt.Errorf("%s: unexpected end at byte %d", what, s.Pos)
	}
	return fmt.Errorf("%s: unexpected %q at byte %d", what, s.In[s.Pos], s.Pos)
}

// Peek skips white space and returns the next byte, 0 at the end.
func (s *Scanner) Peek() byte {
	s.Pos = Space(s.In, s.Pos)
	if s.Pos >= len(s.In) {
		return 0
	}
	return s.In[s.Pos]
}

// End skips white space and requires the end of the text.
func (s *Scanner) End() error {
	if s.Peek() != 0 || s.Pos < len(s.In) {
		return s.Unexpected("after the value")
	}
	return nil
}

// Value skips white space and one value, and returns the value's text. depth is the
// number of objects and arrays around it.
func (s *Scanner) Value(depth int) (string, error) {
	c := s.Peek()
	start := s.Pos
	var err error
	switch {
	case c == '"':
		_, _, err = s.quoted()
	case c == '{':
		err = s.Object(depth, nil, nil)
	case c == '[':
		err = s.Array(depth, nil)
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		err = s.number()
	default:
		err = s.Unexpected("value")
	}
	return view(s.In[start:s.Pos]), err
}

// Keys are the keys of the object before, as they were written, from quote to colon.
// Objects of one kind nearly always have the same keys in the same order, and comparing
// a key is cheaper than scanning it.
type Keys []string

// mostKeys is the number of keys that Keys holds.
const mostKeys = 64

func (k *Keys) remember(n int, written string) {
	switch {
	case k == nil || n > len(*k) || n >= mostKeys:
	case n == len(*k):
		*k = append(*k, written)
	default:
		(*k)[n] = written
	}
}

func (k *Keys) expected(n int) string {
	if k == nil || n >= len(*k) {
		return ""
	}
	return (*k)[n]
}

// key scans the nth key of an object and the colon after it. The key is as in the text,
// without its quotes.
func (s *Scanner) key(n int, like *Keys) (key string, plain bool, err error) {
	if k := like.expected(n); k != "" && len(s.In)-s.Pos >= len(k) && string(s.In[s.Pos:s.Pos+len(k)]) == k {
		s.Pos += len(k)
		return k[1 : len(k)-2], true, nil
	}
	if s.Peek() != '"' {
		return "", false, s.Unexpected("key")
	}
	start := s.Pos
	if key, plain, err = s.quoted(); err != nil {
		return "", false, err
	}
	if s.Peek() != ':' {
		return "", false, s.Unexpected("after the key")
	}
	s.Pos++
	if written := view(s.In[start:s.Pos]); plain && len(written) == len(key)+len(`"":`) {
		like.remember(n, written)
	}
	return key, plain, nil
}

// Object scans the object that starts at Pos. It calls member with each key, and with
// the scanner before the value, which member must scan. A nil member skips the values.
// like holds the keys of an object of the same kind; it may be nil.
func (s *Scanner) Object(depth int, like *Keys, member func(key string) error) error {
	if depth >= maxDepth {
		return errDepth
	}
	s.Pos++
	if s.Peek() == '}' {
		s.Pos++
		return nil
	}
	for n := 0; ; n++ {
		key, plain, err := s.key(n, like)
		switch {
		case err != nil:
		case member == nil:
			_, err = s.Value(depth + 1)
		case plain:
			err = member(key)
		default:
			err = member(meaning(key))
		}
		if err != nil {
			return err
		}
		switch s.Peek() {
		case ',':
			s.Pos++
		case '}':
			s.Pos++
			return nil
		default:
			return s.Unexpected("object")
		}
	}
}

// Array scans the array that starts at Pos. It calls element with the scanner before
// each element, which element must scan. A nil element skips them.
func (s *Scanner) Array(depth int, element func() error) error {
	if depth >= maxDepth {
		return errDepth
	}
	s.Pos++
	if s.Peek() == ']' {
		s.Pos++
		return nil
	}
	for {
		var err error
		if element == nil {
			_, err = s.Value(depth + 1)
		} else {
			err = element()
		}
		if err != nil {
			return err
		}
		switch s.Peek() {
		case ',':
			s.Pos++
		case ']':
			s.Pos++
			return nil
		default:
			return s.Unexpected("array")
		}
	}
}

// Extent skips one element of an array by its brackets and quotes alone, where Value
// refused it. It stops before the comma or bracket that ends the element.
func (s *Scanner) Extent() error {
	for depth := 0; s.Pos < len(s.In); {
		switch s.In[s.Pos] {
		case '"':
			s.Pos = String(s.In, s.Pos)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return nil
			}
		case ',':
			if depth == 0 {
				return nil
			}
		}
		s.Pos++
	}
	return s.Unexpected("element")
}

func (s *Scanner) literal(word string) error {
	if len(s.In)-s.Pos < len(word) || string(s.In[s.Pos:s.Pos+len(word)]) != word {
		return s.Unexpected(word)
	}
	s.Pos += len(word)
	return nil
}

func (s *Scanner) digits() bool {
	start := s.Pos
	for s.Pos < len(s.In) && '0' <= s.In[s.Pos] && s.In[s.Pos] <= '9' {
		s.Pos++
	}
	return s.Pos > start
}

func (s *Scanner) number() error {
	if s.In[s.Pos] == '-' {
		s.Pos++
	}
	if s.Pos < len(s.In) && s.In[s.Pos] == '0' {
		s.Pos++
	} else if !s.digits() {
		return s.Unexpected("number")
	}
	if s.Pos < len(s.In) && s.In[s.Pos] == '.' {
		s.Pos++
		if !s.digits() {
			return s.Unexpected("number")
		}
	}
	if s.Pos < len(s.In) && (s.In[s.Pos] == 'e' || s.In[s.Pos] == 'E') {
		s.Pos++
		if s.Pos < len(s.In) && (s.In[s.Pos] == '+' || s.In[s.Pos] == '-') {
			s.Pos++
		}
		if !s.digits() {
			return s.Unexpected("number")
		}
	}
	return nil
}
