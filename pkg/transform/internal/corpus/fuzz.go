package corpus

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Bits of what is drawn at random; those above them choose the settings.
const (
	isLate = 1 << iota
	isGap
	noOriginal
	isLocated
	settingsBit = iota
)

// Fuzz has a format encode events of anything, with each of the settings and
// within limits of any size, and judge say what is wrong with a record. What it
// holds every format to itself: no error but of size, no record beyond the limit,
// and the same bytes for the same event.
func Fuzz(f *testing.F, format transform.Format, settings []any, judge func(t *testing.T, o transform.Options, e source.Event, body []byte)) {
	for _, c := range Cases() {
		e := c.Event
		for i := range settings {
			f.Add(e.ID, e.Action, e.Verb, e.Actor.ID, e.Actor.Type, e.Actor.Name, e.Auditable.ID, e.Auditable.Type, e.Auditable.Name,
				e.Target.ID, e.Target.Type, e.Target.Name, e.RemoteIP, e.Location, e.Updated, e.Problem, e.Metadata, e.Raw,
				e.Time.UnixNano(), "host", uint16(0), byte(i<<settingsBit))
		}
	}
	f.Fuzz(func(t *testing.T, id, action, verb, actorID, actorType, actorName, objectID, objectType, objectName,
		targetID, targetType, targetName, ip, location, updated, problem string, metadata, raw []byte,
		nanos int64, host string, limit uint16, bits byte) {
		if id == "" {
			id = "id" // Every event has one.
		}
		e := source.Event{
			ID: id, Time: time.Unix(0, nanos), Read: time.Unix(nanos, 0), Organization: Organization, Action: action, Verb: verb,
			Actor:     source.Party{ID: actorID, Type: actorType, Name: actorName},
			Auditable: source.Party{ID: objectID, Type: objectType, Name: objectName},
			Target:    source.Party{ID: targetID, Type: targetType, Name: targetName},
			RemoteIP:  ip, Location: location, Updated: updated, Problem: problem, Metadata: metadata, Raw: raw,
			Late: bits&isLate != 0, Gap: bits&isGap != 0,
		}
		if bits&isLocated != 0 {
			e.Origin = &source.Origin{Country: ip, City: location, SystemHolder: actorName, System: uint32(nanos), Latitude: float64(limit % 90)}
		}
		o := transform.Options{
			Original: bits&noOriginal == 0, MaxBytes: int(limit), Host: host, Version: "v",
			Settings: settings[int(bits>>settingsBit)%len(settings)],
		}
		if body := encodeTwice(t, format, o, &e); body != nil {
			judge(t, o, e, body)
		}
	})
}

// encodeTwice returns the record's body, nil if it cannot be made within the
// limit.
func encodeTwice(t *testing.T, format transform.Format, o transform.Options, e *source.Event) []byte {
	tr, err := format.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tr.Transform(nil, e)
	if err != nil {
		if o.MaxBytes == 0 && len(e.Raw) < 1<<16 || !errors.Is(err, transform.ErrTooLarge) {
			t.Fatal(err)
		}
		return nil
	}
	if o.MaxBytes != 0 && len(r.Body) > o.MaxBytes {
		t.Fatalf("%d bytes, limit %d", len(r.Body), o.MaxBytes)
	}
	again, err := tr.Transform(nil, e)
	if err != nil || !bytes.Equal(again.Body, r.Body) {
		t.Fatalf("encoded again it differs: %v", err)
	}
	return r.Body
}
