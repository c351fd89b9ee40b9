package echo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortest is the least length of a secret that is compared folded. A shorter one would
// match ordinary text.
const shortest = 8

// fold returns the visible characters of a text, with ASCII letters in lower case.
func fold(text string) string {
	var out strings.Builder
	for _, r := range text {
		if !hidden(r) {
			out.WriteString(lower(string(r)))
		}
	}
	return out.String()
}

// hidden reports whether a character is invisible: a blank, a control or format
// character, any other that httpclient.Printable turns into a blank, or a mark on the
// character before it. Bytes that are not UTF-8, and U+FFFD, which JSON decoders put in
// their place, count as invisible.
func hidden(r rune) bool {
	return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.In(r, unicode.Mn, unicode.Me)
}

// lower changes only ASCII letters, since an escape can mean one byte of a character.
func lower(text string) string {
	if len(text) == 1 && text[0] >= 'A' && text[0] <= 'Z' {
		return string(text[0] + 'a' - 'A')
	}
	return text
}

// folded returns the possible meanings of the first character of a text, in which a
// hidden character means nothing. An escaped byte may be a part of a hidden character.
func folded(text string, all []unit) []unit {
	switch r, size := utf8.DecodeRuneInString(text); {
	case r == utf8.RuneError && size == 1: // it may be the rest of a character
		return []unit{{1, text[:1]}, {1, ""}}
	case hidden(r):
		return []unit{{size + sequence(r, text[size:]), ""}}
	}
	var out []unit
	for _, u := range all {
		switch r, _ := utf8.DecodeRuneInString(u.means); {
		case r != utf8.RuneError && hidden(r):
			out = append(out, unit{u.size + sequence(r, text[u.size:]), ""})
		case r == utf8.RuneError && u.size > 1:
			out = append(out, u, unit{u.size, ""})
		default:
			out = append(out, unit{u.size, lower(u.means)})
		}
	}
	return out
}

// sequence returns the length of the rest of a terminal sequence (ECMA-48, section 5.4)
// whose first character is r.
func sequence(r rune, rest string) int {
	from := 0
	switch {
	case r == '\x1b' && strings.HasPrefix(rest, "["):
		from = 1
	case r != '\u009b':
		return 0
	}
	for i := from; i < len(rest) && i < window; i++ {
		if rest[i] >= '@' && rest[i] <= '~' {
			return i + 1
		}
		if rest[i] < ' ' || rest[i] > '?' {
			return 0
		}
	}
	return 0
}
