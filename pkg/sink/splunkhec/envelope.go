package splunkhec

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// The indexed fields of an event; see the package's documentation.
const (
	fieldID           = "sluice_event_id"
	fieldOrganization = "sluice_organization"
	fieldAction       = "sluice_action"
)

// envelope is the HEC format of an event (Splunk, "Format events for HTTP Event
// Collector"). What is alike in all of them is encoded once.
type envelope struct {
	head []byte // host, source, sourcetype and index, each followed by a comma
}

func newEnvelope(s *Settings, host string) envelope {
	if s.Host != "" {
		host = s.Host
	}
	var head []byte
	for _, m := range [...]struct{ key, value string }{
		{"host", host}, {"source", s.Source}, {"sourcetype", s.Sourcetype}, {"index", s.Index},
	} {
		if m.value != "" {
			head = appendString(append(append(append(head, '"'), m.key...), `":`...), m.value)
			head = append(head, ',')
		}
	}
	return envelope{head}
}

// append appends a record as HEC wants it.
func (e envelope) append(dst []byte, r *sink.Record) []byte {
	dst = append(dst, '{')
	dst = appendTime(dst, r)
	dst = append(dst, e.head...)
	dst = appendFields(dst, r)
	dst = append(dst, `"event":`...)
	if isObject(r) {
		dst = append(dst, r.Body...)
	} else {
		dst = appendString(dst, r.Body)
	}
	return append(dst, '}', '\n')
}

// appendTime writes epoch seconds with three decimals, from integers: as a
// float64 they would be another millisecond now and then. Splunk takes a record
// without a time to be of now, which is all that can be said of one from before
// 1970.
func appendTime(dst []byte, r *sink.Record) []byte {
	ms := r.Time.UnixMilli()
	if ms < 0 {
		return dst
	}
	dst = strconv.AppendInt(append(dst, `"time":`...), ms/1000, 10)
	rest := ms % 1000
	return append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10), ',')
}

func appendFields(dst []byte, r *sink.Record) []byte {
	dst = append(dst, `"fields":{"`+fieldID+`":`...)
	dst = appendString(dst, r.ID)
	if r.Organization != "" {
		dst = appendString(append(dst, `,"`+fieldOrganization+`":`...), r.Organization)
	}
	if r.Action != "" {
		dst = appendString(append(dst, `,"`+fieldAction+`":`...), r.Action)
	}
	return append(dst, '}', ',')
}

// isObject reports whether a body can stand in an envelope as it is. Anything else
// is sent as a string.
func isObject(r *sink.Record) bool {
	return r.MediaType == "application/json" && bytes.HasPrefix(r.Body, []byte("{")) && closes(r.Body) && utf8.Valid(r.Body)
}

// closes reports whether the brackets of a text close with its last byte, and not
// before: then it ends where an envelope expects it to, and cannot be taken for a
// member or for an event of its own. It is for the format to see that what stands
// between them is JSON, and for Splunk to refuse what is not, by its number.
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

// quoted is how many bytes the string has that text begins with, all of them if
// it does not end.
func quoted(text []byte) int {
	for end := 1; end < len(text); end++ {
		i := bytes.IndexAny(text[end:], `"\\`)
		if i < 0 {
			break
		}
		if end += i; text[end] == '"' {
			return end + 1
		}
		end++ // what is escaped
	}
	return len(text)
}

const hex = "0123456789abcdef"

// appendString writes a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
