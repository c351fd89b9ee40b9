// Package line holds what the formats share whose records are one line of pairs:
// how a text that a user chose becomes a value that can end neither its pair nor
// its line, nor look like other text; and what is left out of a record that would
// be too long.
package line

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rules are how a format writes the characters of a value.
type Rules struct {
	end    byte
	plain  [256]bool
	become func(r rune) rune
	escape func(dst []byte, r rune) []byte
}

// NewRules are those of a format whose pairs end in a byte. special is the ASCII
// that does not stand for itself. become says what a harmless character turns
// into before it is counted, and escape how it is written after; nil for neither.
func NewRules(end byte, special string, become func(r rune) rune, escape func(dst []byte, r rune) []byte) *Rules {
	r := &Rules{end: end, become: become, escape: escape}
	if become == nil {
		r.become = func(r rune) rune { return r }
	}
	if escape == nil {
		r.escape = utf8.AppendRune
	}
	for c := ' '; c <= '~'; c++ {
		r.plain[c] = !strings.ContainsRune(special, c)
	}
	return r
}

// Writer appends pairs, each with its end behind it.
type Writer struct {
	Rules   *Rules
	Buf     []byte
	Longest int  // of a value, where its key would allow more
	Cut     bool // a value was shortened or left out
}

// Raw appends what needs no care.
func (w *Writer) Raw(s string) { w.Buf = append(w.Buf, s...) }

// Text writes a pair whose value is free text of at most limit bytes, unless
// nothing of it is left, and reports whether it was written. The key ends in its
// equals sign.
func (w *Writer) Text(key, value string, limit int) bool {
	begin := len(w.Buf)
	w.Raw(key)
	first := len(w.Buf)
	if !w.Value(value, min(limit, w.Longest)) {
		w.Cut = true
	}
	if len(w.Buf) == first {
		w.Buf = w.Buf[:begin]
		return false
	}
	w.End()
	return true
}

// Number writes a pair whose value is a whole number.
func (w *Writer) Number(key string, n int64) {
	w.Raw(key)
	w.Buf = strconv.AppendInt(w.Buf, n, 10)
	w.End()
}

// End ends a pair.
func (w *Writer) End() { w.Buf = append(w.Buf, w.Rules.end) }

// Value appends text as a value: made harmless, trimmed, cut to at most limit
// bytes, then escaped, in this order, so that a cut never falls into an escape.
// whole is false if something was cut.
func (w *Writer) Value(text string, limit int) (whole bool) {
	text = strings.TrimFunc(text, w.Rules.isBlank)
	begin := len(w.Buf)
	left := limit
	for len(text) > 0 {
		if n := w.Rules.plainPrefix(text); n > 0 {
			n = min(n, left)
			w.Raw(text[:n])
			text, left = text[n:], left-n
			if left == 0 {
				break
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		r = w.Rules.become(harmless(r))
		if utf8.RuneLen(r) > left {
			break
		}
		w.Buf = w.Rules.escape(w.Buf, r)
		text, left = text[size:], left-utf8.RuneLen(r)
	}
	for len(w.Buf) > begin && w.Buf[len(w.Buf)-1] == ' ' {
		w.Buf = w.Buf[:len(w.Buf)-1]
	}
	return len(text) == 0
}

// Marked is Value for a text that ends in a mark where it is cut.
func (w *Writer) Marked(text string, limit int, mark string) {
	begin := len(w.Buf)
	if w.Value(text, limit) {
		return
	}
	w.Cut = true
	w.Buf = w.Buf[:begin]
	w.Value(text, limit-len(mark))
	w.Raw(mark)
}

// plainPrefix is how many bytes at the beginning of s stand for themselves.
func (r *Rules) plainPrefix(s string) int {
	for i := range len(s) {
		if !r.plain[s[i]] {
			return i
		}
	}
	return len(s)
}

// isBlank reports whether a character is a space in the end.
func (r *Rules) isBlank(c rune) bool { return isBlank(c) || r.become(c) == ' ' }

// harmless is what a character becomes that could end a line, or drive or deceive
// a screen.
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
