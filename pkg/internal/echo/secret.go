package echo

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// secret is a value with the hexadecimal digits that stand for it, and the base64
// that does inside other base64.
type secret struct {
	value string
	hex   string // empty for one that is short
	inner []string
	folds bool
}

// least is the length of base64 that is not found by chance.
const least = 4

// newSecret encodes a value at each of the three places that it can have in the
// bytes before it, and keeps what these and the bytes behind it do not change.
func newSecret(value string) secret {
	s := secret{value: value, folds: len(fold(value)) >= shortest}
	if s.folds {
		s.hex = hex.EncodeToString([]byte(value))
	}
	for before := range 3 {
		whole := strings.Repeat("\x00", before) + value
		// The characters at the borders hold bits of the neighbours, too.
		first, end := (before*8+5)/6, len(whole)*8/6
		if end-first < least {
			continue
		}
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			s.inner = append(s.inner, alphabet.EncodeToString([]byte(whole))[first:end])
		}
	}
	slices.Sort(s.inner)
	s.inner = slices.Compact(s.inner)
	return s
}

// redact replaces the secret in all of its forms. Of base64 it replaces the whole
// run, since the rest of it may be the other half of a credential.
func (s secret) redact(text string) string {
	text = s.replace(text, s.value, nil)
	if s.folds {
		text = s.replace(text, s.hex, nil)
	}
	for _, inner := range s.inner {
		text = s.replace(text, inner, isBase64)
	}
	return text
}

// replace replaces every place where value stands, escaped or not. A place grows in
// both directions over bytes that belong.
func (s secret) replace(text, value string, belongs func(byte) bool) string {
	if s.folds {
		value = fold(value)
	}
	var out []byte
	m := matcher{s.folds, len(value), map[[2]int]bool{}, map[int][]unit{}}
	for i := 0; i < len(text); {
		n, ok := m.match(text[i:], value)
		if !ok {
			out = append(out, text[i])
			i++
			continue
		}
		i += n
		if belongs != nil {
			out = bytes.TrimRightFunc(out, func(r rune) bool { return r < 0x80 && belongs(byte(r)) })
			for i < len(text) && belongs(text[i]) {
				i++
			}
		}
		out = append(out, redacted...)
	}
	return string(out)
}

// isBase64 reports whether a byte can stand in base64, its escapes included.
func isBase64(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte(`+/-_=\%`, b) >= 0
}

// matcher finds a value in a text. It keeps which ends of the text do not begin with
// which ends of the value, by how many bytes are left of each, and how the ends of the
// text can be read. Without that, a text of backslashes would be read in ways without
// number.
type matcher struct {
	folds  bool
	whole  int // length of the value
	failed map[[2]int]bool
	units  map[int][]unit
}

// match reports whether text begins with value, each character of it escaped or
// not, and how many bytes of text that takes. What means nothing may stand between
// characters, not before the first.
func (m matcher) match(text, value string) (n int, ok bool) {
	if value == "" {
		return 0, true
	}
	at := [2]int{len(text), len(value)}
	if text == "" || m.failed[at] {
		return 0, false
	}
	for _, u := range m.read(text) {
		if u.means == "" && len(value) == m.whole {
			continue
		}
		if rest, ok := strings.CutPrefix(value, u.means); ok {
			if n, ok := m.match(text[u.size:], rest); ok {
				return u.size + n, true
			}
			m.failed[at] = true
		}
	}
	return 0, false
}

func (m matcher) read(text string) []unit {
	if !begins(text) && (!m.folds || text[0] > ' ' && text[0] < 0x7f) {
		if m.folds {
			return []unit{{1, lower(text[:1])}}
		}
		return []unit{{1, text[:1]}}
	}
	all, known := m.units[len(text)]
	if !known {
		all = units(text, nested)
		if m.folds {
			all = folded(text, all)
		}
		m.units[len(text)] = all
	}
	return all
}
