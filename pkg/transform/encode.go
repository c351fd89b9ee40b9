package transform

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Encode is implemented by a format. It appends the body of e, at most limit bytes, to
// dst. whole is false if it shortened or left out a value to fit. The error is that of
// TooLarge. It must be safe for concurrent use.
type Encode func(dst []byte, e *source.Event, a *Action, limit int) (body []byte, whole bool, err error)

type transformer struct {
	format, mediaType string
	object            bool
	limit             int
	catalogue         *Catalogue
	encode            Encode
}

// NewTransformer returns the Transformer of a format, with the limit and the catalogue
// of the options.
func NewTransformer(format, mediaType string, o Options, encode Encode) (Transformer, error) {
	return newTransformer(format, mediaType, false, o, encode)
}

// NewObjectTransformer is NewTransformer for a format that promises: every body is one
// JSON object in valid UTF-8, whatever the event holds. Sinks put such a body into JSON
// of their own without looking at it, so a format that breaks the promise lets an event
// forge others. The names of a product are keys of such an object, so it refuses a product
// without them.
func NewObjectTransformer(format, mediaType string, o Options, encode Encode) (Transformer, error) {
	return newTransformer(format, mediaType, true, o, encode)
}

func newTransformer(format, mediaType string, object bool, o Options, encode Encode) (Transformer, error) {
	limit, err := o.Limit()
	if err == nil && object {
		err = o.Product.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format, err)
	}
	return &transformer{format, mediaType, object, limit, o.Catalogue, encode}, nil
}

// Transform implements Transformer. A record with a number states every fact of its event,
// or says that it does not (see package evidence). No format can state a time that is not
// storable.
func (t *transformer) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	if e.Number.Given() && e.Problem == "" && !Storable(e.Time) {
		doubted := *e
		doubted.Problem = "its time is not between 1970 and 9999"
		e = &doubted
	}
	action := t.catalogue.Of(e)
	body, whole, err := t.encode(dst, e, action, t.limit)
	if err != nil {
		return sink.Record{}, fmt.Errorf("%s: event %.80q: %w", t.format, e.ID, err)
	}
	r := newRecord(e, t.format, t.mediaType, action, body, whole)
	r.Object = t.object
	return r, nil
}
