// Package rawjson scans JSON text (RFC 8259) without decoding it, at a fraction of the
// cost of a decoder.
//
// A Scanner validates: a source reads answers with it.
//
// The functions expect valid JSON, such as an event that a Scanner accepted, and are
// faster: transforms read events with them. They return where a value ends and what a
// string means. For text that is not valid JSON the results mean nothing, but they lie
// within the text, and every step makes progress: no input makes them panic or loop.
package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// Space returns where the next token starts, at or after i; len(text) if there is none.
func Space(text []byte, i int) int {
	// Most tokens follow without space, and nothing else that is valid is below it.
	for i < len(text) && text[i] <= ' ' && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// String returns the end of the string that starts with the quote at i.
func String(text []byte, i int) int {
	for end := i + 1; ; end++ {
		end = quote(text, end)
		if end >= len(text) {
			return len(text)
		}
		// A quote is escaped by an odd number of backslashes before it.
		slash := end
		for slash > i+1 && text[slash-1] == '\\' {
			slash--
		}
		if (end-slash)%2 == 0 {
			return end + 1
		}
	}
}

// Eight bytes at a time: ones*c is the byte c eight times, highs their highest bits.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// quote returns the index of the next quote, at or after i; len(text) or more if there
// is none. It checks eight bytes at a time; most strings are only a few bytes long.
func quote(text []byte, i int) int {
	for ; i+8 <= len(text); i += 8 {
		// The lowest set bit belongs to the first quote.
		w := binary.LittleEndian.Uint64(text[i:]) ^ ones*'"'
		if found := (w - ones) & ^w & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(text) && text[i] != '"' {
		i++
	}
	return i
}

// Literal returns the end of the number, true, false or null that starts at i.
func Literal(text []byte, i int) int {
	for end := i + 1; end < len(text); end++ {
		switch text[end] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return end
		}
	}
	return len(text)
}

// Value returns the end of the value that starts at i.
func Value(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = String(text, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
			continue
		default:
			i = Literal(text, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return len(text)
}

// Member finds the member of an object whose key starts at or after i. It returns the
// key with its quotes, and where the value starts. ok is false at the end of the
// object.
func Member(text []byte, i int) (key []byte, value int, ok bool) {
	if i = Space(text, i); i >= len(text) || text[i] != '"' {
		return nil, i, false
	}
	end := String(text, i)
	value = Space(text, end)
	if value < len(text) && text[value] == ':' {
		value++
	}
	return text[i:end], Space(text, value), true
}

// Next returns where the member or element after the one that ends at i starts. more is
// false at the end of the object or array; next is then the index after it.
func Next(text []byte, i int) (next int, more bool) {
	i = Space(text, i)
	if i < len(text) && text[i] == ',' {
		return Space(text, i+1), true
	}
	return min(i+1, len(text)), false
}
