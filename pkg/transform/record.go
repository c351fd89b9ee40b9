package transform

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// newRecord returns the record of e with a body. Its other fields are the same in every
// format.
func newRecord(e *source.Event, format, mediaType string, action *Action, body []byte, whole bool) sink.Record {
	return sink.Record{
		ID:           e.ID,
		Organization: e.Organization,
		Action:       e.Action,
		Key:          key(e),
		Format:       format,
		MediaType:    mediaType,
		Time:         Time(e),
		Severity:     action.Severity,
		Late:         e.Late,
		Replayed:     e.Replayed,
		OwnToken:     e.OwnToken,
		Epoch:        e.Number.Epoch,
		Sequence:     e.Number.Sequence,
		Unmapped:     !action.Mapped,
		Truncated:    !whole,
		Body:         body,
	}
}

// key returns the key of e. Events with one key stay in order: those of an object within
// its organization. The object is the first of Objects, or else the second. The key of an
// event without objects is its own id.
func key(e *source.Event) string {
	object := e.Objects[0].ID
	if object == "" {
		object = e.Objects[1].ID
	}
	if object == "" {
		object = e.ID
	}
	return e.Organization + "/" + object
}

// Time returns when e happened, if a destination can store that (see Storable). Otherwise
// it returns when Sluice first read the event, or else 1970.
func Time(e *source.Event) time.Time {
	for _, t := range [...]time.Time{e.Time, e.Read} {
		if Storable(t) {
			return t.UTC()
		}
	}
	return time.Unix(0, 0).UTC()
}

// Storable reports whether t lies between 1970 and 9999. Some destinations refuse other
// times, and no audit log has them. The zero time is one of them.
func Storable(t time.Time) bool {
	const last = 253402300799 // 9999-12-31T23:59:59Z, the last that RFC 3339 can write
	return t.Unix() >= 0 && t.Unix() <= last
}
