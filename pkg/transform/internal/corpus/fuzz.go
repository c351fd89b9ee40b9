package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// These bits of a random byte set properties of the event. The bits above them choose the
// settings.
const (
	isLate = 1 << iota
	isGap
	noOriginal
	isLocated
	isReplayed
	isOwnToken
	settingsBit = iota
)

// Fuzz encodes random events in a format, with each of the settings and limits of any
// size. judge reports what is wrong with a record. Fuzz itself requires of every format
// that it returns no error but ErrTooLarge, no record beyond the limit, the same bytes
// for the same event, and an object if it promises one.
func Fuzz(f *testing.F, format transform.Format, settings []any, judge func(t *testing.T, o transform.Options, e source.Event, body []byte)) {
	for _, c := range Cases() {
		e := c.Event
		for i := range settings {
			f.Add(e.ID, e.Action, e.Verb, e.Actor.ID, e.Actor.Type, e.Actor.Name, e.Objects[0].ID, e.Objects[0].Type, e.Objects[0].Name,
				e.Objects[1].ID, e.Objects[1].Type, e.Objects[1].Name, e.RemoteIP, e.Location, e.Modified, e.Problem, e.Metadata, e.Raw,
				e.Time.UnixNano(), "host", uint16(0), byte(i<<settingsBit))
		}
	}
	f.Fuzz(func(t *testing.T, id, action, verb, actorID, actorType, actorName, objectID, objectType, objectName,
		targetID, targetType, targetName, ip, location, updated, problem string, metadata, raw []byte,
		nanos int64, host string, limit uint16, bits byte) {
		if id == "" {
			id = "id" // Every event has an id.
		}
		e := source.Event{
			ID: id, Time: time.Unix(0, nanos), Read: time.Unix(nanos, 0), Organization: Organization, Action: action, Verb: verb,
			Actor:    source.Party{ID: actorID, Type: actorType, Name: actorName},
			Objects:  [2]source.Party{{ID: objectID, Type: objectType, Name: objectName}, {ID: targetID, Type: targetType, Name: targetName}},
			RemoteIP: ip, Location: location, Modified: updated, Problem: problem, Metadata: metadata, Raw: raw,
			Late: bits&isLate != 0, Gap: bits&isGap != 0,
			Replayed: bits&isReplayed != 0, OwnToken: bits&isOwnToken != 0,
			Number: source.Number{Epoch: uint64(limit % 3), Sequence: uint64(uint32(nanos))},
		}
		if bits&isLocated != 0 {
			e.Origin = &source.Origin{Country: ip, City: location, SystemHolder: actorName, System: uint32(nanos), Latitude: float64(limit % 90)}
		}
		o := Options(transform.Options{
			Original: bits&noOriginal == 0, MaxBytes: int(limit), Host: host, Version: "v",
			Settings: settings[int(bits>>settingsBit)%len(settings)],
		})
		if body := encodeTwice(t, format, o, &e); body != nil {
			judge(t, o, e, body)
		}
	})
}

// encodeTwice returns the body of the record, nil if the record would exceed the limit.
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
	if r.Object && !isObject(r.Body) {
		t.Fatalf("the format promises a JSON object in UTF-8, and made %q", r.Body)
	}
	return r.Body
}

func isObject(body []byte) bool {
	return len(body) > 0 && body[0] == '{' && json.Valid(body) && utf8.Valid(body)
}
