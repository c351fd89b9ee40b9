package transform

import (
	"slices"
	"time"
	"unicode/utf8"
)

// AppendJSON appends s as a JSON string, quotes included. What is not valid
// UTF-8 becomes U+FFFD, byte by byte. Besides what JSON demands (RFC 8259,
// section 7), the characters that some readers take for a line end are escaped:
// U+0085, U+2028 and U+2029. So the result never spans lines, and a JSON decoder
// gives back exactly s if that was valid.
func AppendJSON[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		end := min(i+chunk, len(s))
		switch part := s[i:end]; inspect(part) {
		case plain:
			dst, i = append(dst, part...), end
		case quoted:
			dst, i = appendQuoted(dst, part), end
		default:
			for i < end {
				dst, i = appendRune(dst, s, i)
			}
		}
	}
	return append(dst, '"')
}

// chunk is how much of a string is looked at and then copied at once.
const chunk = 64

// What a chunk holds.
const (
	plain  = iota // printable ASCII that stands for itself
	quoted        // and quotes or backslashes
	other         // and anything else
)

// inspect looks at eight bytes at a time. A byte is printable ASCII if its high
// bit is clear, and stays clear when 0x20 is subtracted. It is zero if its high
// bit was clear and is set when 1 is subtracted, and a byte is a quote if it is
// zero after the bits of a quote are flipped. A borrow reaches the next byte
// only from one that was found.
func inspect[T string | []byte](s T) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var unprintable, escaped uint64
	i := 0
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		word := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		unprintable |= word | (word - ones*0x20)
		quote, backslash := word^ones*'"', word^ones*'\\'
		escaped |= (quote-ones)&^quote | (backslash-ones)&^backslash
	}
	for ; i < len(s); i++ {
		c := uint64(s[i])
		unprintable |= c | (c - 0x20)
		if c == '"' || c == '\\' {
			escaped |= highs
		}
	}
	switch {
	case unprintable&highs != 0:
		return other
	case escaped&highs != 0:
		return quoted
	}
	return plain
}

// appendQuoted appends at most a chunk of printable ASCII with quotes and
// backslashes escaped. It has no branch in it: JSON within JSON has a quote
// every few bytes, at places no processor can foresee. Two bytes are written for
// each, and the next pair begins behind as many of them as count.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = slices.Grow(dst, 2*chunk)
	n := len(dst)
	out := (*[2 * chunk]byte)(dst[n : n+2*chunk])
	j := 0
	for i := range len(s) {
		e := escapes[s[i]]
		out[j&(2*chunk-1)], out[(j+1)&(2*chunk-1)] = byte(e), byte(e>>8)
		j += int(e >> 16)
	}
	return dst[:n+j]
}

// escapes has for each byte what stands for it, the first of two bytes lowest,
// and above them how many of the two count.
var escapes = func() (table [256]uint32) {
	for c := range table {
		table[c] = 1<<16 | uint32(c)
	}
	for _, c := range []uint32{'"', '\\'} {
		table[c] = 2<<16 | c<<8 | '\\'
	}
	return table
}()

// appendRune appends the character at s[i] and returns where the next begins.
func appendRune[T string | []byte](dst []byte, s T, i int) ([]byte, int) {
	const digits = "0123456789abcdef"
	c := s[i]
	if c < utf8.RuneSelf {
		switch {
		case c == '"' || c == '\\':
			return append(dst, '\\', c), i + 1
		case c >= 0x20:
			return append(dst, c), i + 1
		case c == '\n':
			return append(dst, '\\', 'n'), i + 1
		case c == '\r':
			return append(dst, '\\', 'r'), i + 1
		case c == '\t':
			return append(dst, '\\', 't'), i + 1
		}
		return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15]), i + 1
	}
	r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
	switch r {
	case '\u0085':
		dst = append(dst, `\u0085`...)
	case '\u2028':
		dst = append(dst, `\u2028`...)
	case '\u2029':
		dst = append(dst, `\u2029`...)
	default:
		dst = utf8.AppendRune(dst, r)
	}
	return dst, i + size
}

// AppendTime appends t as RFC 3339 in UTC with milliseconds, cut, not rounded.
// The year must have four digits, as in what Time returns.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	milli := t.Nanosecond() / int(time.Millisecond)
	dst = appendPair(dst, year/100)
	dst = append(appendPair(dst, year%100), '-')
	dst = append(appendPair(dst, int(month)), '-')
	dst = append(appendPair(dst, day), 'T')
	dst = append(appendPair(dst, hour), ':')
	dst = append(appendPair(dst, minute), ':')
	dst = append(appendPair(dst, second), '.', byte('0'+milli/100))
	return append(appendPair(dst, milli%100), 'Z')
}

func appendPair(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// Cut returns the longest beginning of s that has at most limit bytes and does
// not end within a character.
func Cut[T string | []byte](s T, limit int) T {
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && limit-end < utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
