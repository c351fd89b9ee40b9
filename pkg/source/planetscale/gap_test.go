package planetscale_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestNothingExpiresUntold stops a lane right after it reported a gap and before it
// delivered the rest of the log, for less than retention. What expires meanwhile is
// reported, too.
func TestNothingExpiresUntold(t *testing.T) {
	day := 24 * time.Hour
	after := func(words string, check func(t *testing.T, f *follower)) {
		c := simulator.Config{Events: 500, Rate: 0.001, Retention: defaults.Retention.Std()}
		eachOrder(t, words, c, func(t *testing.T, f *follower) {
			f.run(time.Minute)
			f.crash()
			time.Sleep(20 * day)
			f.save(f.events()) // the gap
			check(t, f)
		})
	}
	after("", func(t *testing.T, f *follower) {
		if found := f.reader.Progress().LastGap; time.Since(found) > time.Minute {
			t.Errorf("the last gap was found at %s, want it within the last minute", found)
		}
		f.crash()
		f.run(time.Second)
		if f.gaps() != 1 {
			t.Errorf("got %d gaps, want 1: nothing expired since the first was reported", f.gaps())
		}
	})
	after("and stopped again", func(_ *testing.T, f *follower) {
		f.crash()
		time.Sleep(10 * day)
		f.run(time.Hour)
		f.wantExpiredTold()
	})
}

// After a gap with nothing behind it, a lane with --once ends without waiting.
func TestAfterAGapNothingIsWaitedFor(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 500, Retention: defaults.Retention.Std()}, func(t *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(20 * 24 * time.Hour)
		began := time.Now()
		for caughtUp := false; !caughtUp; {
			p, ok := f.page(t.Context())
			if !ok {
				t.Fatal("no page")
			}
			f.save(p)
			caughtUp = p.CaughtUp
		}
		if took, most := time.Since(began), 3*defaults.PollInterval.Std(); f.gaps() != 1 || took > most {
			t.Errorf("%d gaps were reported, and the catch-up took %s; want one gap and at most %s", f.gaps(), took, most)
		}
	})
}

// wantExpiredTold requires that each event that left the log undelivered was created or
// listed within a reported gap.
func (f *follower) wantExpiredTold() {
	f.t.Helper()
	var told []struct{ From, To time.Time }
	for _, e := range f.published {
		if !e.Gap {
			continue
		}
		var g struct{ From, To time.Time }
		if err := json.Unmarshal(e.Raw, &g); err != nil {
			f.t.Fatalf("gap event %s: %v", e.Raw, err)
		}
		if g.To.Before(g.From) {
			f.t.Errorf("a gap from %s ends before that, at %s", g.From, g.To)
		}
		told = append(told, g)
	}
	untold, first := 0, simulator.Event{}
	for e := range f.server.Ever() {
		covered := f.seen[e.ID] > 0 || e.Gone.IsZero()
		for _, g := range told {
			since := e.Created
			if strings.HasPrefix(e.ID, "odd-") {
				since = g.From // The lane does not know the time of the event.
			}
			covered = covered || !since.Before(g.From) && !e.Created.After(g.To)
		}
		if !covered {
			if untold++; untold == 1 {
				first = e
			}
		}
	}
	if untold > 0 {
		f.t.Errorf("%d events expired undelivered, outside of the reported gaps %v; the first is of %s, listed %s, gone %s", untold, told, first.Created, first.Listed, first.Gone)
	}
}
