package planetscale_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestNothingExpiresUntold stops a lane right after it told a gap, before it
// delivered what was left, for less than retention: what expires meanwhile is
// told as well.
func TestNothingExpiresUntold(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				day := 24 * time.Hour
				server := simulator.New(simulator.Config{Events: 500, Rate: 0.001, Retention: defaults.Retention.Std(), Order: order})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(20 * day)
				for range 2 { // the gap, to be told, and told
					p, _ := f.page(t.Context())
					f.save(p)
				}
				if found := f.reader.Progress().LastGap; time.Since(found) > time.Minute {
					t.Errorf("the last gap was found at %s, want it within the last minute", found)
				}
				f.crash()
				f.run(time.Second)
				if f.gaps() != 1 {
					t.Errorf("got %d gaps where nothing expired since the first was told", f.gaps())
				}
			})
		})
		t.Run("and stopped again "+order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				day := 24 * time.Hour
				server := simulator.New(simulator.Config{Events: 500, Rate: 0.001, Retention: defaults.Retention.Std(), Order: order})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(20 * day)
				for range 2 {
					p, _ := f.page(t.Context())
					f.save(p)
				}
				f.crash()
				time.Sleep(10 * day)
				f.run(time.Hour)
				f.wantExpiredTold()
			})
		})
	}
}

// A lane that is to end once it has caught up need not wait after a gap behind which
// there is nothing.
func TestAfterAGapNothingIsWaitedFor(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 500, Retention: defaults.Retention.Std(), Order: order})
				f := follow(t, server, defaults)
				defer f.close()
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
					t.Errorf("%d gaps were told, and it took %s to have caught up, want one and at most %s", f.gaps(), took, most)
				}
			})
		})
	}
}

// wantExpiredTold requires that what left the log undelivered was created or
// listed in an interval that a gap event told.
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
		told = append(told, g)
	}
	untold, first := 0, simulator.Event{}
	for e := range f.server.Ever() {
		covered := f.seen[e.ID] > 0 || e.Gone.IsZero()
		for _, g := range told {
			covered = covered || !e.Listed.Before(g.From) && !e.Created.After(g.To)
		}
		if !covered {
			if untold++; untold == 1 {
				first = e
			}
		}
	}
	if untold > 0 {
		f.t.Errorf("%d events expired undelivered, outside of the gaps told: %v; the first of %s, listed %s, gone %s", untold, told, first.Created, first.Listed, first.Gone)
	}
}
