package ocsf_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

func FuzzOCSF(f *testing.F) {
	for _, c := range corpus.Cases() {
		e := c.Event
		for _, flags := range []byte{0, 8} {
			f.Add(e.ID, e.Action, e.Verb, e.Actor.ID, e.Actor.Type, e.Actor.Name, e.Auditable.ID, e.Auditable.Type, e.Auditable.Name,
				e.Target.ID, e.Target.Type, e.Target.Name, e.RemoteIP, e.Location, e.Updated, e.Problem, e.Metadata, e.Raw,
				e.Time.UnixNano(), uint16(0), flags)
		}
	}
	facts := readFacts(f)
	f.Fuzz(func(t *testing.T, id, action, verb, actorID, actorType, actorName, objectID, objectType, objectName,
		targetID, targetType, targetName, ip, location, updated, problem string, metadata, raw []byte,
		nanos int64, limit uint16, flags byte) {
		if id == "" {
			id = "id"
		}
		e := source.Event{
			ID: id, Time: time.Unix(0, nanos), Read: time.Unix(nanos, 0), Organization: corpus.Organization, Action: action, Verb: verb,
			Actor:     source.Party{ID: actorID, Type: actorType, Name: actorName},
			Auditable: source.Party{ID: objectID, Type: objectType, Name: objectName},
			Target:    source.Party{ID: targetID, Type: targetType, Name: targetName},
			RemoteIP:  ip, Location: location, Updated: updated, Problem: problem, Metadata: metadata, Raw: raw,
			Late: flags&1 != 0, Gap: flags&2 != 0,
		}
		if flags&16 != 0 {
			e.Origin = &source.Origin{Country: ip, City: location, SystemHolder: actorName, System: uint32(nanos), Latitude: float64(limit)}
		}
		o := transform.Options{Original: flags&4 == 0, MaxBytes: int(limit), Host: "h", Version: "v"}
		if flags&8 != 0 {
			o.Settings = iam.Settings
		}
		tr := open(t, o)
		r, err := tr.Transform(nil, &e)
		if err != nil {
			if limit == 0 && len(raw) < 1<<16 || !errors.Is(err, transform.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		if limit != 0 && len(r.Body) > int(limit) {
			t.Fatalf("%d bytes, limit %d", len(r.Body), limit)
		}
		got, err := facts.judge(r.Body)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.Body)
		}
		checkCopies(t, o, e, got)
		again, err := tr.Transform(nil, &e)
		if err != nil || !bytes.Equal(again.Body, r.Body) {
			t.Fatalf("encoded again it differs: %v", err)
		}
	})
}
