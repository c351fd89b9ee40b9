package elasticsearch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// maxID is the longest id of a document in bytes (IndexRequest.validate in both servers).
	maxID = 512
	// separator stands between the parts of an id.
	separator = "|"
)

// documentID returns the id of a record's document: the organization and the event's id. The
// same record always has the same id, and two records have different ones. An id that is too
// long, or could be mistaken for another one, is the SHA-256 of the parts, which no other
// form can be: it has no separator. A record without an id gets none: the server makes one.
func documentID(r *sink.Record) string {
	id := r.Organization + separator + r.ID
	switch {
	case r.ID == "":
		return ""
	case len(id) <= maxID && !strings.Contains(r.Organization, separator) && utf8.ValidString(id):
		return id
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d%s%s%s", len(r.Organization), separator, r.Organization, r.ID))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// documents encodes records as actions of a bulk request.
type documents struct {
	ids    bool
	stream bool // each document needs @timestamp
}

// append appends the action and the document, without the line end behind it.
func (d documents) append(dst []byte, r *sink.Record) ([]byte, error) {
	dst = append(dst, `{"create":{`...)
	if id := d.id(r); id != "" {
		dst = rawjson.AppendString(append(dst, `"_id":`...), id)
	}
	dst = append(dst, "}}\n"...)
	begin := len(dst)
	dst = d.appendBody(dst, r)
	// JSON has line ends only between its tokens, where a space means the same.
	for i := begin; i < len(dst); i++ {
		n := bytes.IndexByte(dst[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		dst[i] = ' '
	}
	return dst, nil
}

// id returns the id that a record's document gets; empty if the server makes one.
func (d documents) id(r *sink.Record) string {
	if !d.ids {
		return ""
	}
	return documentID(r)
}

const timestampKey = "@timestamp"

func (d documents) appendBody(dst []byte, r *sink.Record) []byte {
	switch {
	case !r.Object && !isObject(r.Body) || deeper(r.Body, maxDepth):
		// The event is kept as it is, in the field that ECS has for it.
		dst = appendTimestamp(append(dst, '{'), r)
		return append(rawjson.AppendString(append(dst, `,"event":{"original":`...), r.Body), "}}"...)
	case !d.stream || hasTimestamp(r.Body):
		return append(dst, r.Body...)
	}
	dst = appendTimestamp(append(dst, '{'), r)
	rest := bytes.TrimLeft(r.Body, " \t\r\n")[1:]
	if inner := bytes.TrimLeft(rest, " \t\r\n"); inner[0] != '}' {
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}

func appendTimestamp(dst []byte, r *sink.Record) []byte {
	dst = append(dst, `"`+timestampKey+`":"`...)
	return append(r.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z"), '"')
}

// isObject reports whether a body is a JSON object, if its format does not promise that.
func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && utf8.Valid(body) && json.Valid(body)
}

// maxDepth is how deep a document may nest. A node of OpenSearch with an ingest pipeline never
// answers a request with a document of some thousand levels, and so keeps those beside it
// from being delivered. A mapping takes 20 levels by default.
const maxDepth = 100

// deeper reports whether JSON nests deeper than so many levels.
func deeper(body []byte, levels int) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= levels { // almost every event
		return false
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = rawjson.String(body, i) - 1
		case '{', '[':
			if depth++; depth > levels {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// hasTimestamp reports whether an object has the member that a data stream requires.
func hasTimestamp(body []byte) bool {
	if bytes.HasPrefix(body, []byte(`{"`+timestampKey+`":`)) { // as the format ecs writes it
		return true
	}
	at := rawjson.Space(body, bytes.IndexByte(body, '{')+1)
	for at < len(body) && body[at] == '"' {
		key, value, ok := rawjson.Member(body, at)
		if !ok {
			return false
		}
		if rawjson.Text(key) == timestampKey {
			return true
		}
		next, more := rawjson.Next(body, rawjson.Value(body, value))
		if !more {
			return false
		}
		at = next
	}
	return false
}
