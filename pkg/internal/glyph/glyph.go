// Package glyph names characters that a person does not see, or takes for others: a
// no-break space, a typographic quote, a byte order mark. They come with text that was
// copied from a web page, a chat or a word processor.
package glyph

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quotes are the quotation marks that programs for writing put in place of " and '.
const Quotes = "“”„‟‘’‚‛«»‹›"

// look are characters that look like one that is meant.
var look = map[rune]string{
	'\u00a0': "a no-break space", '\u2007': "a no-break space", '\u202f': "a no-break space",
	'\u3000': "a wide space",
	'\ufeff': "a byte order mark",
	'\u200b': "a zero-width space", '\u2060': "a zero-width space",
	'\u200c': "a zero-width joiner", '\u200d': "a zero-width joiner",
	'\u00ad': "a soft hyphen",
	'–':      "a typographic dash", '—': "a typographic dash", '−': "a typographic minus",
	'：': "a full-width colon", '＝': "a full-width equals sign", '，': "a full-width comma",
}

// Name returns what to call a character, with its code point; empty for one that shows
// what it is. Every Unseen character has a name.
func Name(r rune) string {
	name, known := look[r]
	switch {
	case known:
	case strings.ContainsRune(Quotes, r):
		name = "a typographic quote"
	case r == '\t':
		return "a tab"
	case r == '\r' || r == '\n':
		return "a line end"
	case unicode.IsControl(r):
		name = "a control character"
	case unicode.Is(unicode.Bidi_Control, r):
		name = "a mark of direction"
	case r != ' ' && unicode.IsSpace(r):
		name = "an unusual space"
	case Unseen(r):
		name = "an invisible character"
	default:
		return ""
	}
	return fmt.Sprintf("%s (U+%04X)", name, r)
}

// Unseen reports whether a character is not seen at all, or not told from a blank.
func Unseen(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// In returns the name of the first such character in a text; empty if there is none.
func In(text string) string {
	for _, r := range text {
		if name := Name(r); name != "" {
			return name
		}
	}
	return ""
}

// Visible writes characters that cannot be seen, or that could drive a terminal, and bytes
// that are not UTF-8, as escapes of Go: \n, \x1b, \u00a0.
func Visible(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		text = text[size:]
	}
	return out.String()
}
