package echo

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unit is what the first bytes of a text can mean.
type unit struct {
	size  int    // of these bytes
	means string // one character, or one byte of it
}

const (
	// nested is how many escapes inside each other are read as one: a quotation mark
	// that was written as JSON three times has seven backslashes before it.
	nested = 8
	// window is how far an escape reaches: one of JSON whose every character is one of
	// JSON has 36 bytes.
	window = 48
)

// units are the readings of the first character of a text: as an escape, and as it
// stands. An escape that means the beginning of an escape is read again.
func units(text string, nested int) []unit {
	text = text[:min(len(text), window)]
	u, ok := escape(text)
	if !ok || nested == 0 {
		return []unit{{1, text[:1]}}
	}
	all := []unit{u}
	for _, outer := range units(u.means+text[u.size:], nested-1) {
		if outer.size > len(u.means) {
			all = append(all, unit{u.size + outer.size - len(u.means), outer.means})
		}
	}
	return append(all, unit{1, text[:1]})
}

func escape(text string) (unit, bool) {
	switch text[0] {
	case '\\':
		return backslash(text)
	case '%':
		if b, ok := number(text, 1, 2, 16); ok {
			return unit{3, string([]byte{byte(b)})}, true
		}
	case '&':
		return entity(text)
	}
	return unit{}, false
}

// backslash reads an escape of JSON (RFC 8259, section 7), or of a language's
// string.
func backslash(text string) (unit, bool) {
	if len(text) < 2 {
		return unit{}, false
	}
	switch text[1] {
	case 'u':
		if r, ok := number(text, 2, 4, 16); ok {
			return unit{6, string(rune(r))}, true
		}
	case 'x':
		if b, ok := number(text, 2, 2, 16); ok {
			return unit{4, string([]byte{byte(b)})}, true
		}
	}
	return unit{2, text[1:2]}, true
}

// entity reads a character reference of HTML.
func entity(text string) (unit, bool) {
	end := strings.IndexByte(text[:min(len(text), 12)], ';')
	if end < 0 {
		return unit{}, false
	}
	means := html.UnescapeString(text[:end+1])
	if utf8.RuneCountInString(means) != 1 {
		return unit{}, false
	}
	return unit{end + 1, means}, true
}

func number(text string, from, digits, base int) (uint64, bool) {
	if len(text) < from+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(text[from:from+digits], base, 32)
	return n, err == nil
}
