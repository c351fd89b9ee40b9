package cef

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// line appends the pairs of an extension, each followed by a space.
type line struct {
	buf     []byte
	longest int  // of a value, where its key would allow more
	cut     bool // a value was shortened
}

func (l *line) raw(s string) { l.buf = append(l.buf, s...) }

// text writes a pair whose value is free text of at most limit bytes, unless
// nothing of it is left, and reports whether it was written.
func (l *line) text(key, value string, limit int) bool {
	begin := len(l.buf)
	l.raw(key)
	first := len(l.buf)
	var whole bool
	l.buf, whole = appendValue(l.buf, value, min(limit, l.longest))
	l.cut = l.cut || !whole
	if len(l.buf) == first {
		l.buf = l.buf[:begin]
		return false
	}
	l.buf = append(l.buf, ' ')
	return true
}

// labelled writes a pair and, if there was something to write, its label.
func (l *line) labelled(key, value string, limit int, label string) {
	if l.text(key, value, limit) {
		l.raw(label)
	}
}

func (l *line) number(key string, n int64) {
	l.raw(key)
	l.buf = strconv.AppendInt(l.buf, n, 10)
	l.buf = append(l.buf, ' ')
}

// appendValue appends s as the value of a pair: made harmless, trimmed, cut to
// at most limit bytes, then escaped, in this order, so that a cut never falls
// into an escape. whole is false if something was cut.
func appendValue(dst []byte, s string, limit int) (out []byte, whole bool) {
	s = strings.TrimFunc(s, isBlank)
	begin := len(dst)
	left := limit
	for len(s) > 0 {
		if n := plainPrefix(s); n > 0 {
			n = min(n, left)
			dst = append(dst, s[:n]...)
			s, left = s[n:], left-n
			if left == 0 {
				break
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		r = harmless(r)
		if utf8.RuneLen(r) > left {
			break
		}
		dst = appendEscaped(dst, r)
		s, left = s[size:], left-utf8.RuneLen(r)
	}
	for len(dst) > begin && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst, len(s) == 0
}

// plainPrefix is how many bytes at the beginning of s stand for themselves.
func plainPrefix(s string) int {
	for i := range len(s) {
		if !plain[s[i]] {
			return i
		}
	}
	return len(s)
}

// plain is printable ASCII but for what is escaped.
var plain = func() (table [256]bool) {
	for c := ' '; c <= '~'; c++ {
		table[c] = c != '\\' && c != '='
	}
	return table
}()

func appendEscaped(dst []byte, r rune) []byte {
	switch r {
	case '\\', '=':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return utf8.AppendRune(dst, r)
}

// harmless is what a character becomes before it is escaped.
func harmless(r rune) rune {
	switch {
	case r == '\n' || r == '\r':
		return r
	case isBlank(r):
		return ' '
	case isControl(r) || isDirection(r):
		return utf8.RuneError
	}
	return r
}

// isBlank reports whether a character becomes a space, or is one.
func isBlank(r rune) bool {
	switch r {
	case ' ', '\t', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// isControl reports whether r is of C0, DEL or of C1.
func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// isDirection reports whether r is one of the characters by which Unicode lets
// text change its direction (UAX #9, section 2), and so look like other text.
func isDirection(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
