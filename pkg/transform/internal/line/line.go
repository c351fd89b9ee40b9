// Package line is shared by the formats whose records are one line of pairs. It turns a
// text that a user chose into a value that cannot end its pair or its line, nor look like
// other text. It decides what is left out of a record that would be too long.
package line

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Rules are how a format writes the characters of a value.
type Rules struct {
	end    byte
	plain  [256]bool
	become func(r rune) rune
	escape func(dst []byte, r rune) []byte
}

// NewRules returns the rules of a format. Each pair ends in the byte end. special are the
// ASCII characters that are not written unchanged. become replaces a harmless character
// before the length is counted, and escape writes it after that; both may be nil.
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

// Writer appends pairs, each followed by its end.
type Writer struct {
	Rules   *Rules
	Buf     []byte
	Longest int  // of a value, even if its key allows more
	Cut     bool // a value was shortened or left out

	// Facts are bound by a leaf (see package evidence), so a record with a number states
	// them to the byte, or says that it is cut.
	Exact bool
}

// Raw appends s unchanged. It must not need an escape.
func (w *Writer) Raw(s string) { w.Buf = append(w.Buf, s...) }

// Text writes a pair whose value is free text of at most limit bytes, and reports whether
// it did. It writes nothing if the value would be empty. The key ends in its equals sign.
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

// Fact is like Text, for a value that a leaf binds.
func (w *Writer) Fact(key, value string, limit int) bool {
	if w.Exact && !w.Rules.keeps(value) {
		w.Cut = true
	}
	return w.Text(key, value, limit)
}

// Identity is like Fact, for a value that a leaf binds of records that are cut, too.
func (w *Writer) Identity(key, value string, limit int) {
	longest := w.Longest
	if w.Exact {
		w.Longest = max(longest, leastIdentity)
	}
	w.Fact(key, value, limit)
	w.Longest = longest
}

// leastIdentity is one more than a leaf binds of a value, so what was cut here can be told
// from a value that is whole.
const leastIdentity = 64

// Number writes a pair whose value is a whole number.
func (w *Writer) Number(key string, n int64) {
	w.Raw(key)
	w.Buf = strconv.AppendInt(w.Buf, n, 10)
	w.End()
}

// Hash writes a pair whose value is the SHA-256 of a raw event in hex. A shortened hash
// proves nothing, so the pair is left out if values must be shorter and no leaf needs it.
func (w *Writer) Hash(key string, e *source.Event) {
	if w.Longest < hex.EncodedLen(sha256.Size) && !w.Exact {
		w.Cut = true
		return
	}
	sum := e.Sum()
	w.Raw(key)
	w.Buf = hex.AppendEncode(w.Buf, sum[:])
	w.End()
}

// Note writes a pair whose value is a note, unless it is empty. It is in Base64, since a note
// has lines, in the alphabet that no format escapes and no delimiter is of.
func (w *Writer) Note(key, note string) {
	if note != "" {
		w.Raw(key)
		w.Buf = base64.RawURLEncoding.AppendEncode(w.Buf, []byte(note))
		w.End()
	}
}

// End ends a pair.
func (w *Writer) End() { w.Buf = append(w.Buf, w.Rules.end) }

// Value appends text as a value: it makes text harmless, trims it, cuts it to at most
// limit bytes and escapes it, in this order, so a cut is never inside an escape. whole is
// false if it cut something.
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

// Marked is like Value. If it cuts the text, the value ends in a mark.
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

// keeps reports whether a value is written as it is, apart from escapes that can be undone.
func (r *Rules) keeps(s string) bool {
	for _, c := range s {
		if r.become(harmless(c)) != c {
			return false
		}
	}
	return strings.TrimFunc(s, r.isBlank) == s
}

// plainPrefix returns how many bytes at the start of s are written unchanged.
func (r *Rules) plainPrefix(s string) int {
	for i := range len(s) {
		if !r.plain[s[i]] {
			return i
		}
	}
	return len(s)
}

// isBlank reports whether a character is written as a space.
func (r *Rules) isBlank(c rune) bool { return isBlank(c) || r.become(c) == ' ' }

// harmless replaces a character that could end a line, drive a terminal, or deceive a
// reader.
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

// isDirection reports whether r changes the direction of text (UAX #9, section 2), which
// can make text look like other text.
func isDirection(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
