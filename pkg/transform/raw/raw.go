// Package raw passes events on as the API sent them, each a JSON value on one line.
//
// The body of a record is the event's raw bytes, to the byte. There are two exceptions,
// for bytes that cannot be a line of NDJSON:
//
//   - In a JSON value that spans lines, a space replaces each LF and CR. JSON allows them
//     only between its tokens, where a space means the same.
//   - Bytes that are not one JSON value in UTF-8 become {"original_base64":"…"}, in
//     standard Base64. An event without a Problem is one JSON value by the source's
//     contract, so only other events are parsed to check that. A JSON value that spans
//     lines is written so, too, if the record has a number: the hash of the raw event must
//     be computable from the record.
//
// Sluice's marks (late, replayed, own_token, problem) and the number of the record are not
// in the body, since the API did not send them. The sink states them, where it can.
// Nothing can be left out of a raw event, so an event that exceeds the limit is an error.
package raw

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

const (
	name      = "raw"
	mediaType = "application/json"
)

// Format is the format "raw".
var Format = transform.NewFormat(name, mediaType, struct{}{}, open).ExplainedBy(explain)

// explain returns the record as one field, since none of its fields is ours.
func explain(_ *source.Product, body []byte) ([]transform.Field, error) {
	return []transform.Field{{Name: "record", Value: string(body), Rule: "the raw event, unchanged except for line ends between tokens; in Base64 if it is not JSON"}}, nil
}

func open(o transform.Options, _ struct{}) (transform.Transformer, error) {
	return transform.NewTransformer(name, mediaType, o, encode)
}

// encode implements transform.Encode. It leaves nothing out.
func encode(dst []byte, e *source.Event, _ *transform.Action, limit int) (body []byte, whole bool, err error) {
	oneLine := !e.Number.Given() || !bytes.ContainsAny(e.Raw, "\n\r")
	if oneLine && utf8.Valid(e.Raw) && (e.Problem == "" || json.Valid(e.Raw)) {
		body = appendLine(dst, e.Raw)
	} else {
		body = appendWrapped(dst, e.Raw)
	}
	if size := len(body) - len(dst); size > limit {
		return nil, false, transform.TooLarge(size, limit)
	}
	return body, true, nil
}

func appendWrapped(dst, raw []byte) []byte {
	dst = append(dst, `{"original_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, `"}`...)
}

func appendLine(dst, raw []byte) []byte {
	begin := len(dst)
	dst = append(dst, raw...)
	for _, end := range []byte("\n\r") {
		rest := dst[begin:]
		for i := bytes.IndexByte(rest, end); i >= 0; i = bytes.IndexByte(rest, end) {
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
	return dst
}
