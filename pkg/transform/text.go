package transform

import (
	"math/bits"
	"slices"
	"time"
	"unicode/utf8"
)

// AppendMember appends a member of a JSON object and a comma. It appends key unchanged,
// so key has quotes and ends in a colon, and s like AppendJSON.
func AppendMember[T string | []byte](dst []byte, key string, s T) []byte {
	if len(s) <= chunk { // Most are, and most of those stand for themselves.
		if quotes, n := inspect(s); n == len(s) && quotes == 0 {
			n := len(dst)
			dst = slices.Grow(dst, len(key)+len(s)+3)[:n+len(key)+len(s)+3]
			member := dst[n:]
			copy(member, key)
			member = member[len(key):]
			copy(member[1:], s)
			member[0], member[len(member)-2], member[len(member)-1] = '"', '"', ','
			return dst
		}
	}
	return append(AppendJSON(append(dst, key...), s), ',')
}

// AppendJSON appends s as a JSON string with its quotes. Each byte that is not valid UTF-8
// becomes U+FFFD. It escapes what JSON requires (RFC 8259, section 7), and the characters
// that some readers take for a line end: U+0085, U+2028 and U+2029. So the result has one
// line, and a JSON decoder returns exactly s if s is valid.
func AppendJSON[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		end := min(i+chunk, len(s))
		quotes, n := inspect(s[i:end])
		if n > 0 {
			dst, i = appendPrintable(dst, s[i:i+n], quotes), i+n
		}
		// After a character that is not ASCII, the next one often is not either.
		for foreign := i < end; foreign; foreign = i < len(s) && s[i] >= utf8.RuneSelf {
			dst, i = appendRune(dst, s, i)
		}
	}
	return append(dst, '"')
}

// chunk is how many bytes of a string are inspected and copied at once: as many as a
// word has bits.
const chunk = 64

// inspect counts the printable ASCII bytes at the start of s, at most a chunk. quotes has
// a bit for each of them, the lowest for the first. It is set for a quote or a backslash.
func inspect[T string | []byte](s T) (quotes uint64, printable int) {
	for ; printable+8 <= len(s); printable += 8 {
		w := word(s[printable : printable+8])
		if foreign := unprintable(w); foreign != 0 {
			return upTo(foreign, quotes, quotesIn(w), printable)
		}
		quotes |= quotesIn(w) << printable
	}
	switch {
	case printable == len(s):
		return quotes, printable
	case len(s) > 8:
		// The last eight bytes, some of which are inspected twice.
		w := word(s[len(s)-8:])
		if foreign := unprintable(w); foreign != 0 {
			return upTo(foreign, quotes, quotesIn(w), len(s)-8)
		}
		return quotes | quotesIn(w)<<(len(s)-8), len(s)
	}
	w := uint64(ones * ' ')
	for i := len(s) - 1; i >= 0; i-- {
		w = w<<8 | uint64(s[i])
	}
	if foreign := unprintable(w); foreign != 0 {
		return upTo(foreign, quotes, quotesIn(w), 0)
	}
	return quotesIn(w), len(s)
}

// upTo ends an inspection at a byte of a word that is not printable. It returns the
// quotes before the word and in it.
func upTo(foreign, before, within uint64, at int) (quotes uint64, printable int) {
	n := bits.TrailingZeros64(foreign) / 8
	return before | within&(1<<n-1)<<at, at + n
}

const (
	ones  = 0x0101010101010101
	lows  = ones * 0x7f
	highs = ones * 0x80
)

// word reads eight bytes, the first of them lowest.
func word[T string | []byte](b T) uint64 {
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// unprintable is zero if all bytes of w are ASCII without control characters:
// their high bits are clear, and stay clear when 0x20 is subtracted. Else its
// lowest bit is of the first byte that is not: a borrow reaches the next byte
// only from one that is a control character.
func unprintable(w uint64) uint64 { return (w | (w - ones*0x20)) & highs }

// quotesIn returns a bit for each byte of w, the lowest for the lowest byte. It is set for
// a quote or a backslash. The bytes must be ASCII: then adding 0x7f sets the high bit of
// every byte but zero, and the product gathers the bits. After a byte that is not ASCII,
// the bits mean nothing.
func quotesIn(w uint64) uint64 {
	others := ((w ^ ones*'"') + lows) & ((w ^ ones*'\\') + lows)
	return (^others & highs >> 7) * 0x0102040810204080 >> 56
}

// appendPrintable appends at most a chunk of printable ASCII with a backslash
// before each byte whose bit in quotes is set. JSON in JSON has a quote every few bytes.
// So the bytes between two quotes are copied in steps of a fixed size, which cost less
// than a loop of the exact length. The next step overwrites what one copies too much.
func appendPrintable[T string | []byte](dst []byte, s T, quotes uint64) []byte {
	const step = 16
	dst = slices.Grow(dst, 2*chunk+step)
	n := len(dst)
	out := (*[2*chunk + step]byte)(dst[n : n+2*chunk+step])
	var in [chunk + step]byte
	copy(in[:], s)
	from, added := 0, 0
	for ; quotes != 0; quotes &= quotes - 1 {
		quote := bits.TrailingZeros64(quotes)
		for i := from; i < quote; i += step {
			copy(out[i+added:i+added+step], in[i:i+step])
		}
		out[quote+added] = '\\'
		from = quote
		added++
	}
	for i := from; i < len(s); i += step {
		copy(out[i+added:i+added+step], in[i:i+step])
	}
	return dst[:n+len(s)+added]
}

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

// Cut returns the longest prefix of s that has at most limit bytes and does not end
// within a character.
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
