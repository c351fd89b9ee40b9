package stdout

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// appendEscaped appends body. It replaces each character that a terminal would act
// on with \uXXXX, and each byte that is not UTF-8 with \xXX: a terminal that is not
// set to UTF-8 reads even a lone 0x9b as the start of a control sequence (ECMA-48,
// 8-bit CSI).
func appendEscaped(dst, body []byte) []byte {
	clean := 0 // body[clean:i] is still to be copied
	for i := 0; i < len(body); {
		if c := body[i]; c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(body[i:])
		invalid := r == utf8.RuneError && size == 1
		if invalid || acts(r) {
			dst = append(dst, body[clean:i]...)
			dst = appendEscape(dst, r, body[i], invalid)
			clean = i + size
		}
		i += size
	}
	return append(dst, body[clean:]...)
}

func appendEscape(dst []byte, r rune, b byte, invalid bool) []byte {
	if invalid {
		return fmt.Appendf(dst, `\x%02x`, b)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

// acts reports whether a terminal may act on r: C0, DEL and C1; characters that
// change the direction of text (UAX #9; Bidi_Control is U+061C, U+200E, U+200F,
// U+202A to E, U+2066 to 9); and the two separators that some programs read as line
// ends.
func acts(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
