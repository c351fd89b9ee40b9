package echo

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// secret is a value with its hexadecimal digits, and its base64 inside other base64.
type secret struct {
	value string
	hex   string // empty for a short value
	inner []string
	folds bool
}

// least is the least length of base64 that is searched; shorter text would match by
// chance.
const least = 4

// newSecret encodes a value at each of the three offsets that it can have in base64. Of
// each it keeps the part that does not depend on the bytes before and after the value.
func newSecret(value string) secret {
	s := secret{value: value, folds: len(fold(value)) >= shortest}
	if s.folds {
		s.hex = hex.EncodeToString([]byte(value))
	}
	for before := range 3 {
		whole := strings.Repeat("\x00", before) + value
		// The characters at the borders also contain bits of the neighbours.
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

// redact replaces the secret in all its forms. It replaces a whole run of base64, since
// the rest of it may be the other half of a credential.
func (s secret) redact(v view) view {
	v = s.replace(v, s.value, nil)
	if s.folds {
		v = s.replace(v, s.hex, nil)
	}
	for _, inner := range s.inner {
		v = s.replace(v, inner, isBase64)
	}
	return v
}

// view is a text whose last bytes, the tail, are searched but not shown.
type view struct {
	text string
	tail int // length of the tail; 0 if the whole text is shown
}

// replace replaces every match of value, escaped or not. A match grows in both
// directions over bytes that belong to it. A match that reaches into the tail may
// continue after the text: it becomes a part of the tail unchanged, so that other values
// can match it.
func (s secret) replace(v view, value string, belongs func(byte) bool) view {
	if s.folds {
		value = fold(value)
	}
	var out []byte
	m := matcher{folds: s.folds, tail: v.tail, whole: len(value), failed: map[[2]int]bool{}, units: map[int][]unit{}}
	text, end := v.text, len(v.text)-v.tail
	for i := 0; i < end; {
		n, ok := m.match(text[i:], value)
		if !ok && !m.cut {
			out = append(out, text[i])
			i++
			continue
		}
		start, next := i, i+n
		for belongs != nil && len(out) > 0 && belongs(out[len(out)-1]) {
			out, start = out[:len(out)-1], start-1
		}
		for belongs != nil && next < len(text) && belongs(text[next]) {
			next++
		}
		if m.cut {
			return view{string(out) + text[start:], len(text) - start}
		}
		out = append(out, redacted...)
		i = next
	}
	return view{string(out) + text[end:], v.tail}
}

// isBase64 reports whether a byte can be a part of base64 or of an escape in it.
func isBase64(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte(`+/-_=\%`, b) >= 0
}

// matcher finds a value in a text. It remembers which suffixes of the text do not start
// with which suffixes of the value, by the lengths of both, and the meanings of each
// suffix's first character. Without that, a text of backslashes would take exponential
// time.
type matcher struct {
	folds  bool
	tail   int  // of the view
	cut    bool // the match reached the tail before the end of the value
	whole  int  // length of the value
	failed map[[2]int]bool
	units  map[int][]unit
}

// match reports whether text starts with value, with each character escaped or not, and
// how many bytes of text that takes. Invisible text may be between characters, but not
// before the first.
func (m *matcher) match(text, value string) (n int, ok bool) {
	if value == "" {
		return 0, true
	}
	m.cut = m.cut || m.tail > 0 && len(text) <= m.tail
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

func (m *matcher) read(text string) []unit {
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
