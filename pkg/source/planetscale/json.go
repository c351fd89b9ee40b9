package planetscale

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from a string without building anything: it
// only finds where values begin and end, and accepts exactly what encoding/json
// accepts. The events of a page are most of what a catch-up spends its time on;
// a fuzz test holds the scanner against encoding/json.
type scanner struct {
	text string
	pos  int
}

// maxDepth is the nesting that encoding/json accepts.
const maxDepth = 10000

var errDepth = errors.New("nested too deeply")

func (s *scanner) fail(what string) error {
	if s.pos >= len(s.text) {
		return fmt.Errorf("%s: unexpected end at byte %d", what, s.pos)
	}
	return fmt.Errorf("%s: unexpected %q at byte %d", what, s.text[s.pos], s.pos)
}

func (s *scanner) space() {
	// There is none most of the time, and all of it is below what else there is.
	for s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// end skips white space and requires the end of the text.
func (s *scanner) end() error {
	if s.peek() != 0 || s.pos < len(s.text) {
		return s.fail("after the value")
	}
	return nil
}

// value skips white space and one value, and returns the value's text.
func (s *scanner) value(depth int) (string, error) {
	c := s.peek()
	start := s.pos
	var err error
	switch {
	case c == '"':
		_, _, err = s.quoted()
	case c == '{':
		err = s.object(depth, nil, func(string, bool) error { _, err := s.value(depth + 1); return err })
	case c == '[':
		err = s.array(depth, func() error { _, err := s.value(depth + 1); return err })
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		err = s.number()
	default:
		err = s.fail("value")
	}
	return s.text[start:s.pos], err
}

// keys are those of an object that was read before, as they were written, from
// quote to colon. Objects of one kind nearly always have theirs in the same
// order, and to compare a key costs less than to scan it.
type keys []string

// moreKeys than these are not remembered.
const moreKeys = 64

func (k *keys) remember(n int, written string) {
	switch {
	case k == nil || n > len(*k) || n >= moreKeys:
	case n == len(*k):
		*k = append(*k, written)
	default:
		(*k)[n] = written
	}
}

func (k *keys) expected(n int) string {
	if k == nil || n >= len(*k) {
		return ""
	}
	return (*k)[n]
}

// key reads the nth key of an object and the colon behind it. The key is as in
// the text, without its quotes.
func (s *scanner) key(n int, like *keys) (key string, plain bool, err error) {
	if k := like.expected(n); k != "" && strings.HasPrefix(s.text[s.pos:], k) {
		s.pos += len(k)
		return k[1 : len(k)-2], true, nil
	}
	if s.peek() != '"' {
		return "", false, s.fail("key")
	}
	start := s.pos
	if key, plain, err = s.quoted(); err != nil {
		return "", false, err
	}
	if s.peek() != ':' {
		return "", false, s.fail("after the key")
	}
	s.pos++
	if written := s.text[start:s.pos]; plain && len(written) == len(key)+len(`"":`) {
		like.remember(n, written)
	}
	return key, plain, nil
}

// object calls member for each member, with the scanner before its value. like
// is what key says, nil if nothing is to be remembered.
func (s *scanner) object(depth int, like *keys, member func(key string, plain bool) error) error {
	if depth >= maxDepth {
		return errDepth
	}
	s.pos++
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for n := 0; ; n++ {
		key, plain, err := s.key(n, like)
		if err != nil {
			return err
		}
		if err := member(key, plain); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.fail("object")
		}
	}
}

// array calls element for each element, with the scanner before it.
func (s *scanner) array(depth int, element func() error) error {
	if depth >= maxDepth {
		return errDepth
	}
	s.pos++
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return s.fail("array")
		}
	}
}

func (s *scanner) literal(word string) error {
	if len(s.text)-s.pos < len(word) || s.text[s.pos:s.pos+len(word)] != word {
		return s.fail(word)
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) number() error {
	if s.text[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.text) && s.text[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return s.fail("number")
	}
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("number")
		}
	}
	if s.pos < len(s.text) && (s.text[s.pos] == 'e' || s.text[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.fail("number")
		}
	}
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has a bit for each of eight bytes that ends a run of plain ASCII
// string characters: a quote, a backslash, a control character or a byte of 0x80
// and above. The lowest bit is of such a byte; those above it may be of others,
// since each difference borrows from the next byte.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return (w | (w - ones*0x20) | (quote - ones) | (slash - ones)) & highs
}

// quoted scans the string literal that starts here and returns what is between
// its quotes. plain tells that this is the string itself: no escapes and no
// invalid UTF-8 in it.
func (s *scanner) quoted() (raw string, plain bool, err error) {
	s.pos++
	start := s.pos
	plain = true
	for {
		s.pos = skipPlain(s.text, s.pos)
		if s.pos >= len(s.text) {
			return "", false, s.fail("string")
		}
		switch c := s.text[s.pos]; {
		case c == '"':
			raw = s.text[start:s.pos]
			s.pos++
			return raw, plain, nil
		case c == '\\':
			plain = false
			if err := s.escape(); err != nil {
				return "", false, err
			}
		case c < 0x20:
			return "", false, s.fail("string")
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, n := utf8.DecodeRuneInString(s.text[s.pos:])
			plain = plain && (r != utf8.RuneError || n > 1)
			s.pos += n
		}
	}
}

// skipPlain returns the end of the characters from pos on that stand for
// themselves. It may stop before the last of them, at the end of the text.
func skipPlain(text string, pos int) int {
	for pos+8 <= len(text) {
		if found := special(load(text[pos : pos+8])); found != 0 {
			return pos + bits.TrailingZeros64(found)/8
		}
		pos += 8
	}
	return pos
}

func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func (s *scanner) escape() error {
	s.pos++
	if s.pos >= len(s.text) {
		return s.fail("escape")
	}
	switch s.text[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if s.pos >= len(s.text) || !isHex(s.text[s.pos]) {
				return s.fail("escape")
			}
			s.pos++
		}
		return nil
	}
	return s.fail("escape")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unquote resolves the escapes of a scanned literal. Invalid UTF-8 and lone
// surrogates become U+FFFD, a byte each, as in encoding/json.
func unquote(raw string) string {
	out := make([]byte, 0, len(raw)+8)
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\' && raw[i+1] == 'u':
			r := hex4(raw[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(raw)-i >= 6 && raw[i] == '\\' && raw[i+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(raw[i+2:]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		case c == '\\':
			out = append(out, escapes[raw[i+1]])
			i += 2
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(raw[i:])
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return string(out)
}

func hex4(s string) rune {
	n, err := strconv.ParseUint(s[:4], 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// extent skips one element of an array by its brackets and quotes alone, where
// value refused it: what cannot be decoded is still delivered as it was sent.
// It stops before the comma or bracket that ends the element.
func (s *scanner) extent() (string, error) {
	s.space()
	start, depth := s.pos, 0
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case '"':
			if err := s.skipQuotes(); err != nil {
				return "", err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return s.text[start:s.pos], nil
			}
		case ',':
			if depth == 0 {
				return s.text[start:s.pos], nil
			}
		}
		s.pos++
	}
	return "", s.fail("element")
}

func (s *scanner) skipQuotes() error {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
		case '"':
			s.pos++
			return nil
		}
	}
	s.pos = len(s.text)
	return s.fail("string")
}
