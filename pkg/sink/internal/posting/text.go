package posting

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// AppendBody appends the body of a record as a JSON value: as it is if it is a JSON object,
// otherwise as a string.
func AppendBody(dst []byte, r *sink.Record) []byte {
	if IsObject(r) {
		return append(dst, r.Body...)
	}
	return rawjson.AppendString(dst, r.Body)
}

// AppendLine appends the body of a record as one line without its end: text as it is, and
// anything else as AppendBody does. A line end within it becomes a blank, which between the
// parts of a JSON object means the same, and elsewhere keeps text from forging a record.
func AppendLine(dst []byte, r *sink.Record) []byte {
	begin := len(dst)
	if r.MediaType == "application/json" {
		dst = AppendBody(dst, r)
	} else {
		dst = append(dst, r.Body...)
	}
	for i, c := range dst[begin:] {
		if c == '\n' || c == '\r' {
			dst[begin+i] = ' '
		}
	}
	return dst
}

// IsObject reports whether the body of a record is one JSON object, which can be put into
// JSON unchanged: its format promises that, or it looks so.
func IsObject(r *sink.Record) bool {
	return r.Object || r.MediaType == "application/json" && bytes.HasPrefix(r.Body, []byte("{")) && closes(r.Body) && utf8.Valid(r.Body)
}

// closes reports whether the brackets of a text close with its last byte, and not
// before. Such a text cannot add a member to what is around it or forge another record. The
// format must produce valid JSON between the brackets; a server refuses a record with
// invalid JSON.
func closes(text []byte) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i == len(text)-1
			}
		case '"':
			i += quoted(text[i:]) - 1
		}
	}
	return false
}

// quoted returns the length of the string that text starts with, or of text if the
// string does not end.
func quoted(text []byte) int {
	for end := 1; end < len(text); end++ {
		i := bytes.IndexAny(text[end:], `"\\`)
		if i < 0 {
			break
		}
		if end += i; text[end] == '"' {
			return end + 1
		}
		end++ // the escaped byte
	}
	return len(text)
}
