package splunkhec

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// The indexed fields of an event; see the package's documentation.
const (
	fieldID           = "sluice_event_id"
	fieldOrganization = "sluice_organization"
	fieldAction       = "sluice_action"
	fieldReplayed     = "sluice_replayed"
	fieldOwnToken     = "sluice_own_token"
)

// envelope encodes events in HEC's format (Splunk, "Format events for HTTP Event
// Collector"). The part that is the same in all events is encoded once.
type envelope struct {
	head []byte // host, source, sourcetype and index, each followed by a comma
}

func newEnvelope(s *Settings, host, dataset string) envelope {
	if s.Host != "" {
		host = s.Host
	}
	var head []byte
	for _, m := range [...]struct{ key, value string }{
		{"host", host}, {"source", s.Source}, {"sourcetype", cmp.Or(s.Sourcetype, defaultSourcetype(dataset))}, {"index", s.Index},
	} {
		if m.value != "" {
			head = appendString(append(append(append(head, '"'), m.key...), `":`...), m.value)
			head = append(head, ',')
		}
	}
	return envelope{head}
}

// defaultSourcetype is what Splunk calls a dataset.
func defaultSourcetype(dataset string) string { return strings.ReplaceAll(dataset, ".", ":") }

// append appends a record in HEC's format.
func (e envelope) append(dst []byte, r *sink.Record) []byte {
	dst = append(dst, '{')
	dst = appendTime(dst, r)
	dst = append(dst, e.head...)
	dst = appendFields(dst, r)
	dst = append(dst, `"event":`...)
	if r.Object || isObject(r) {
		dst = append(dst, r.Body...)
	} else {
		dst = appendString(dst, r.Body)
	}
	return append(dst, '}', '\n')
}

// appendTime writes epoch seconds with three decimals. It uses integers, since a
// float64 would sometimes be off by a millisecond. It leaves out a time before 1970;
// Splunk then uses the time of receipt.
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
	if r.Replayed {
		dst = append(dst, `,"`+fieldReplayed+`":"true"`...)
	}
	if r.OwnToken {
		dst = append(dst, `,"`+fieldOwnToken+`":"true"`...)
	}
	return append(dst, '}', ',')
}

// isObject reports whether a body can be put into an envelope unchanged, if its format
// does not promise that. Any other body is sent as a string.
func isObject(r *sink.Record) bool {
	return r.MediaType == "application/json" && bytes.HasPrefix(r.Body, []byte("{")) && closes(r.Body) && utf8.Valid(r.Body)
}

// closes reports whether the brackets of a text close with its last byte, and not
// before. Such a text cannot add a member to the envelope or forge another event. The
// format must produce valid JSON between the brackets; Splunk refuses a record with
// invalid JSON, by its number.
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

const hex = "0123456789abcdef"

// appendString writes a JSON string. A byte that is not UTF-8 becomes U+FFFD.
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
