package echo

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unit is a possible meaning of the first bytes of a text.
type unit struct {
	size  int    // number of these bytes
	means string // one character, or one byte of it; empty: invisible, not compared
}

const (
	// nested is how many escapes inside each other are decoded: a quotation mark that
	// was encoded as JSON three times has seven backslashes before it.
	nested = 8
	// window is the longest escape, and the longest terminal sequence. An escape of JSON
	// whose characters are all escapes of JSON has 36 bytes.
	window = 48
	// reference is the longest character reference of HTML, with leading zeros.
	reference = 40
)

// units returns the possible meanings of the first character of a text: as an escape,
// and unescaped. If an escape means the start of another escape, that one is decoded
// too.
func units(text string, nested int) []unit {
	text = text[:min(len(text), window)]
	var all []unit
	for _, u := range escapes(text) {
		all = append(all, u)
		if nested == 0 || !begins(u.means) {
			continue
		}
		for _, outer := range units(u.means+text[u.size:], nested-1) {
			if outer.size > len(u.means) {
				all = append(all, unit{u.size + outer.size - len(u.means), outer.means})
			}
		}
	}
	return append(all, unit{1, text[:1]})
}

// begins reports whether a text starts like an escape.
func begins(text string) bool {
	return text != "" && strings.IndexByte(`\%&=`, text[0]) >= 0
}

// escapes returns the possible meanings of the start of a text as an escape.
func escapes(text string) []unit {
	switch text[0] {
	case '\\':
		return backslash(text)
	case '%':
		return percent(text)
	case '=':
		return quotedPrintable(text)
	case '&':
		return entity(text)
	}
	return nil
}

// backslash decodes an escape of JSON (RFC 8259, section 7) or of a string in a
// programming language.
func backslash(text string) []unit {
	if len(text) < 2 {
		return nil
	}
	var all []unit
	switch c := text[1]; {
	case c == 'u':
		all = codePoint(text)
	case c == 'x':
		all = hexByte(text, 2)
	case c >= '0' && c <= '7':
		all = octal(text)
	case strings.IndexByte("abefnrtv", c) >= 0: // a control character
		all = []unit{{2, ""}}
	}
	return append(all, unit{2, text[1:2]})
}

// codePoint decodes four hexadecimal digits after two characters, or up to eight in
// braces.
func codePoint(text string) []unit {
	if r, ok := number(text, 2, 4, 16); ok {
		return []unit{{6, string(rune(r))}}
	}
	end := strings.IndexByte(text[:min(len(text), 12)], '}')
	if end < 4 || text[2] != '{' {
		return nil
	}
	if r, ok := number(text, 3, end-3, 16); ok {
		return []unit{{end + 1, string(rune(r))}}
	}
	return nil
}

func hexByte(text string, from int) []unit {
	if b, ok := number(text, from, 2, 16); ok {
		return []unit{{from + 2, string([]byte{byte(b)})}}
	}
	return nil
}

// octal decodes three digits, two or one; the others may be ordinary text.
func octal(text string) (all []unit) {
	for digits := 3; digits > 0; digits-- {
		if b, ok := number(text, 1, digits, 8); ok && b < 256 {
			all = append(all, unit{1 + digits, string([]byte{byte(b)})})
		}
	}
	return all
}

// percent decodes an escape of a URL (RFC 3986, section 2.1), or of JavaScript's
// function escape.
func percent(text string) []unit {
	if strings.HasPrefix(text, "%u") {
		return codePoint(text)
	}
	return hexByte(text, 1)
}

// quotedPrintable decodes an escape of quoted-printable, or a soft line break (RFC 2045,
// section 6.7).
func quotedPrintable(text string) []unit {
	for _, end := range []string{"=\r\n", "=\n"} {
		if strings.HasPrefix(text, end) {
			return []unit{{len(end), ""}}
		}
	}
	return hexByte(text, 1)
}

// entity decodes a character reference of HTML.
func entity(text string) []unit {
	end := strings.IndexByte(text[:min(len(text), reference)], ';')
	if end < 0 {
		return nil
	}
	means := html.UnescapeString(text[:end+1])
	if utf8.RuneCountInString(means) != 1 {
		return nil
	}
	return []unit{{end + 1, means}}
}

func number(text string, from, digits, base int) (uint64, bool) {
	if len(text) < from+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(text[from:from+digits], base, 32)
	return n, err == nil
}
