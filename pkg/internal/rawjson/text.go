package rawjson

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Plain reports whether a string, given with its quotes, has no escapes and is valid
// UTF-8: it then means the bytes between the quotes.
func Plain(quoted []byte) bool {
	return bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted)
}

// Text returns the meaning of a string, given with its quotes. A plain string shares
// memory with quoted, which must not change while the result is in use.
func Text(quoted []byte) string {
	if len(quoted) < 2 {
		return ""
	}
	in := view(quoted[1 : len(quoted)-1])
	if Plain(quoted) {
		return in
	}
	return meaning(in)
}

// Unquote appends the meaning of a string, given with its quotes. Bytes that are not
// UTF-8 and lone surrogates become U+FFFD, as in encoding/json.
func Unquote(dst, quoted []byte) []byte {
	if len(quoted) < 2 {
		return dst
	}
	return unescape(dst, view(quoted[1:len(quoted)-1]))
}

// view returns b as a string without a copy.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// meaning returns what the text between the quotes of a string means.
func meaning(in string) string { return view(unescape(make([]byte, 0, len(in)), in)) }

// unescape appends the meaning of the text between the quotes of a string.
func unescape(dst []byte, in string) []byte {
	for i := 0; i < len(in); {
		c := in[i]
		switch {
		case c == '\\' && i+1 < len(in):
			dst, i = escape(dst, in, i+1)
		case c < utf8.RuneSelf:
			dst, i = append(dst, c), i+1
		default:
			r, n := utf8.DecodeRuneInString(in[i:])
			dst, i = utf8.AppendRune(dst, r), i+n
		}
	}
	return dst
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape appends the meaning of the escape whose letter is at i.
func escape(dst []byte, in string, i int) ([]byte, int) {
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

func hex(in string, i int) rune {
	if i+4 > len(in) {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(in[i:i+4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}
