// Package rawjson finds its way through JSON text (RFC 8259) that is known to be
// valid, and builds nothing: the functions say where a value ends and what a
// string means. What comes before a record is encoded (see transform/prepare)
// reads events with it, at a fraction of the cost of a decoder.
//
// It checks nothing. In text that is not valid JSON the answers mean nothing
// either, but they lie within the text, and every step makes progress: no input
// makes it panic or loop. Whoever does not know that a text is valid asks
// encoding/json first.
package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Space returns where the next token at or behind i begins, len(text) if none.
func Space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// String returns the end of the string that begins with the quote at i.
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

// quote returns where the next quote at or behind i is, len(text) or more if there
// is none. Most strings are a few bytes long, and eight are looked at together.
func quote(text []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		// The lowest bit that is set is that of the first byte that was a quote.
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

// Literal returns the end of the number, true, false or null that begins at i.
func Literal(text []byte, i int) int {
	for end := i + 1; end < len(text); end++ {
		switch text[end] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return end
		}
	}
	return len(text)
}

// Value returns the end of the value that begins at i.
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

// Member finds the parts of the member of an object whose key begins at or
// behind i: its key with the quotes, and where the value begins. It is not ok at
// the end of the object.
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

// Next returns where the member or element behind the one that ends at i begins;
// more is false at the end of the object or array, and i then lies behind that.
func Next(text []byte, i int) (next int, more bool) {
	i = Space(text, i)
	if i < len(text) && text[i] == ',' {
		return Space(text, i+1), true
	}
	return min(i+1, len(text)), false
}

// Plain reports whether a string, with its quotes, stands for the bytes between
// them.
func Plain(quoted []byte) bool {
	return bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted)
}

// Unquote appends what a string means, given with its quotes. Bytes that are not
// UTF-8 and lone surrogates become U+FFFD, as in encoding/json.
func Unquote(dst, quoted []byte) []byte {
	if len(quoted) < 2 {
		return dst
	}
	in := quoted[1 : len(quoted)-1]
	for i := 0; i < len(in); {
		c := in[i]
		switch {
		case c == '\\' && i+1 < len(in):
			dst, i = escape(dst, in, i+1)
		case c < utf8.RuneSelf:
			dst, i = append(dst, c), i+1
		default:
			r, n := utf8.DecodeRune(in[i:])
			dst, i = utf8.AppendRune(dst, r), i+n
		}
	}
	return dst
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape appends what the escape means whose letter stands at i.
func escape(dst, in []byte, i int) ([]byte, int) {
	if in[i] != 'u' {
		return append(dst, escapes[in[i]]), i + 1
	}
	r := hex(in, i+1)
	i = min(i+5, len(in))
	if utf16.IsSurrogate(r) {
		pair := rune(utf8.RuneError)
		if i+1 < len(in) && in[i] == '\\' && in[i+1] == 'u' {
			pair = utf16.DecodeRune(r, hex(in, i+2))
		}
		if r = pair; r != utf8.RuneError {
			i = min(i+6, len(in))
		}
	}
	return utf8.AppendRune(dst, r), i
}

func hex(in []byte, i int) rune {
	if i+4 > len(in) {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(string(in[i:i+4]), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}
