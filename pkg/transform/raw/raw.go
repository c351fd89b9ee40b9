// Package raw passes events on as the API sent them, one JSON value on one
// line.
//
// The body of a record is the event's raw bytes, to the byte, with one
// exception each for bytes that could not stand on a line of NDJSON:
//
//   - In a JSON value that spans lines, each LF and CR is replaced by a space.
//     JSON allows them only between its tokens, where a space means the same.
//   - Bytes that are not one JSON value in UTF-8 are wrapped, as
//     {"original_base64":"…"} in standard Base64. An event without a Problem is
//     one JSON value by the source's contract, so only others are parsed for it.
//
// Sluice's marks (late, problem) are not part of what the API sent and are not
// in the body. Nothing can be left out of a raw event, so one that exceeds the
// limit is an error.
package raw

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

const (
	name      = "raw"
	mediaType = "application/json"
)

// Format is the format "raw".
var Format = transform.NewFormat(name, mediaType, struct{}{}, open).ExplainedBy(explain)

// explain has but one rule: there are no fields of ours.
func explain(body []byte) ([]transform.Field, error) {
	return []transform.Field{{Name: "record", Value: string(body), Rule: "the raw event, to the byte but for line ends between tokens; in Base64 if it is no JSON"}}, nil
}

type encoder struct {
	limit     int
	catalogue *transform.Catalogue
}

func open(o transform.Options, _ struct{}) (transform.Transformer, error) {
	limit, err := o.Limit()
	if err != nil {
		return nil, fmt.Errorf("raw: %w", err)
	}
	return encoder{limit, o.Catalogue}, nil
}

// Transform implements transform.Transformer.
func (c encoder) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	var body []byte
	if utf8.Valid(e.Raw) && (e.Problem == "" || json.Valid(e.Raw)) {
		body = appendLine(dst, e.Raw)
	} else {
		body = appendWrapped(dst, e.Raw)
	}
	if size := len(body) - len(dst); size > c.limit {
		return sink.Record{}, fmt.Errorf("raw: event %.80q: %w", e.ID, transform.TooLarge(size, c.limit))
	}
	return transform.NewRecord(e, name, mediaType, c.catalogue.Lookup(e.Action), body), nil
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
