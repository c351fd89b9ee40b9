package transform

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// NewRecord returns the record of e around a body. It copies from the event
// what every format states in the same way.
func NewRecord(e *source.Event, format, mediaType string, action *Action, body []byte) sink.Record {
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
		Unmapped:     !action.Mapped,
		Body:         body,
	}
}

// key names what must stay in order: the object of an event within its
// organization. The object is the auditable; an event without one goes by its
// target, and one that has neither belongs to no object and is spread by its
// own id.
func key(e *source.Event) string {
	object := e.Auditable.ID
	if object == "" {
		object = e.Target.ID
	}
	if object == "" {
		object = e.ID
	}
	return e.Organization + "/" + object
}

// Time is when e happened, as far as a destination can store it; see Storable.
// Otherwise the time at which the event was first seen stands in for it, and
// 1970 where that is missing too.
func Time(e *source.Event) time.Time {
	for _, t := range [...]time.Time{e.Time, e.Read} {
		if Storable(t) {
			return t.UTC()
		}
	}
	return time.Unix(0, 0).UTC()
}

// Storable reports whether t lies between 1970 and 9999. Other times, the zero
// time among them, are no times of an audit log, and some destinations refuse
// them.
func Storable(t time.Time) bool {
	const last = 253402300799 // 9999-12-31T23:59:59Z, the last that RFC 3339 can write
	return t.Unix() >= 0 && t.Unix() <= last
}
