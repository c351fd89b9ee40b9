package rawjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Quoted scans the string that starts at Pos and returns its meaning.
func (s *Scanner) Quoted() (string, error) {
	raw, plain, err := s.quoted()
	if err != nil || plain {
		return raw, err
	}
	return meaning(raw), nil
}

// quoted scans a string and returns what is between its quotes. plain is true if that
// is its meaning: it has no escapes and is valid UTF-8.
func (s *Scanner) quoted() (raw string, plain bool, err error) {
	s.Pos++
	start := s.Pos
	plain = true
	for {
		s.Pos = skipPlain(s.In, s.Pos)
		if s.Pos >= len(s.In) {
			return "", false, s.Unexpected("string")
		}
		switch c := s.In[s.Pos]; {
		case c == '"':
			raw = view(s.In[start:s.Pos])
			s.Pos++
			return raw, plain, nil
		case c == '\\':
			plain = false
			if err := s.escape(); err != nil {
				return "", false, err
			}
		case c < 0x20:
			return "", false, s.Unexpected("string")
		case c < utf8.RuneSelf:
			s.Pos++
		default:
			r, n := utf8.DecodeRune(s.In[s.Pos:])
			plain = plain && (r != utf8.RuneError || n > 1)
			s.Pos += n
		}
	}
}

// skipPlain returns the end of the characters from pos on that stand for themselves. It
// may stop before the last of them, at the end of the text.
func skipPlain(text []byte, pos int) int {
	for ; pos+8 <= len(text); pos += 8 {
		if found := special(binary.LittleEndian.Uint64(text[pos:])); found != 0 {
			return pos + bits.TrailingZeros64(found)/8
		}
	}
	return pos
}

// special sets the highest bit of each of eight bytes that ends a run of plain ASCII
// string characters: a quote, a backslash, a control character or a byte of 0x80 and
// above. Only the lowest set bit is sure: each difference borrows from the next byte.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return (w | (w - ones*0x20) | (quote - ones) | (slash - ones)) & highs
}

func (s *Scanner) escape() error {
	s.Pos++
	if s.Pos >= len(s.In) {
		return s.Unexpected("escape")
	}
	switch s.In[s.Pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.Pos++
		return nil
	case 'u':
		s.Pos++
		for range 4 {
			if s.Pos >= len(s.In) || !isHex(s.In[s.Pos]) {
				return s.Unexpected("escape")
			}
			s.Pos++
		}
		return nil
	}
	return s.Unexpected("escape")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
