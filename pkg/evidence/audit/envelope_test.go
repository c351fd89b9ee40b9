package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
)

// TestSize keeps what docs/evidence.md says: 36 bytes for each hour with events.
func TestSize(t *testing.T) {
	empty, err := audit.Join(&audit.Hours{}, source.Position("1"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(15*24*120, 30*time.Second)
	pos, err := audit.Join(&w.settled, source.Position("1"))
	if err != nil {
		t.Fatal(err)
	}
	const hours = 15 * 24
	if got := len(pos) - len(empty); w.settled.Len() != hours || got > 36*hours {
		t.Errorf("got %d bytes for %d hours, want at most 36 an hour", got, w.settled.Len())
	}
}

// TestSplit takes every position: without a count it is the source's own.
func TestSplit(t *testing.T) {
	for name, test := range map[string]struct {
		pos, inner string
		counted    bool
		unusable   bool
	}{
		"a source's own":         {pos: `{"floor":1}`, inner: `{"floor":1}`},
		"a number":               {pos: `12`, inner: `12`},
		"with a count":           {pos: `{"audit":{"audited":"2026-11-03T00:00:00Z"},"position":{"floor":1}}`, inner: `{"floor":1}`, counted: true},
		"cut off":                {pos: `{"audit":{"audited":"2026-11-03T00:00:00Z"},"posi`, unusable: true},
		"without a position":     {pos: `{"audit":{}}`, unusable: true},
		"hours that are cut":     {pos: `{"audit":{"hours":"AAECAw=="},"position":1}`, unusable: true},
		"a sum beyond the prime": {pos: `{"audit":{"hours":"AQH/////////////////////"},"position":1}`, unusable: true},
	} {
		t.Run(name, func(t *testing.T) {
			inner, h, err := audit.Split(source.Position(test.pos))
			if errors.Is(err, source.ErrUnusable) != test.unusable || string(inner) != test.inner || (h != nil) != test.counted {
				t.Errorf("got %q, %v, error %v", inner, h, err)
			}
		})
	}
}

// TestManyHours keeps the newest hours of a log that is never audited.
func TestManyHours(t *testing.T) {
	w := newWorld(1500, time.Hour)
	var none audit.Hours
	w.settled.Join(&none)
	if w.settled.Len() != 1000 || !w.settled.Since.Equal(day.Add(500*time.Hour)) {
		t.Errorf("got %d hours since %s", w.settled.Len(), w.settled.Since)
	}
	if o := w.audit(t); !o.Clean() || o.Compared < 990 {
		t.Errorf("found %q, compared %d", found(o), o.Compared)
	}
}

// TestBegin counts no event twice that a lane delivered before it began to count.
func TestBegin(t *testing.T) {
	w := newWorld(600, 10*time.Minute)
	at := day.Add(50 * time.Hour)
	w.settled = audit.Begin(source.Description{Event: at, Floor: at.Add(-time.Hour)}, at)
	for _, e := range w.log {
		if e.Time.After(at) {
			w.settled.Add(&e)
		}
	}
	if o := w.audit(t); !o.Clean() || !o.From.Equal(at.Add(time.Hour)) {
		t.Errorf("found %q from %s", found(o), o.From)
	}
	w.late(9000, at.Add(3*time.Hour))
	if o := w.audit(t); o.Result.Missing != 1 {
		t.Errorf("found %q, want the late event", found(o))
	}
}
