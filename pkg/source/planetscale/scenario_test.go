package planetscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestEveryUnknownOfTheAPI runs each scenario under each reading of what the API's
// documentation leaves open, with walks that fit in memory and with walks that must read
// pages again. Everything that stays in the log arrives, and nothing arrives twice.
func TestEveryUnknownOfTheAPI(t *testing.T) {
	const fits = 48 << 20
	for _, scenario := range simulator.Scenarios() {
		large := scenario.Name == "huge-events" || scenario.Name == "oversized-events"
		if testing.Short() && large {
			continue // The race detector checks each copied byte, which takes too long.
		}
		last, interval := simulator.FirstPage, 10*time.Second
		if large || scenario.Name == "overlap-flood" {
			last, interval = simulator.NotFound404, time.Minute // many bytes, and no cursor is purged
		}
		for _, order := range orders {
			for purged := simulator.NotFound404; purged <= last; purged++ {
				for _, buffer := range []setting.Size{0, fits} {
					first := order == simulator.NewestFirst && purged == simulator.NotFound404 && buffer == fits
					other := order == simulator.OldestFirst && purged == last && buffer == 0
					if testing.Short() && !first && !other {
						continue // With the race detector they take ten times as long.
					}
					t.Run(name(scenario.Name, " ", order, " ", purged, " ", buffer), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							server := simulator.New(simulator.Config{
								Events: 650, Rate: 0.05, Order: order, Purged: purged,
							})
							scenario.Apply(server)
							s := defaults
							s.WalkBuffer = buffer
							s.PollInterval = setting.Duration(interval)
							f := survive(t, server, s)
							if scenario.Name == "retention-passes-the-cursor" && order == simulator.NewestFirst {
								f.wantExpiredTold()
							}
							// A log that is emptied while its events are young may have lost what came
							// between the last walk and then.
							if n := f.gaps(); n > 0 && f.lost() == 0 && scenario.Name != "purged-beyond-retention" {
								t.Errorf("got %d gaps, and nothing was lost", n)
							}
							if scenario.Name != "repeated-event" { // the log has the event in two places
								f.wantOldestFirst()
							}
						})
					})
				}
			}
		}
	}
}

// lost is how many events left the log before they were delivered.
func (f *follower) lost() int {
	n := 0
	for e := range f.server.Ever() {
		if f.seen[e.ID] == 0 && !e.Gone.IsZero() {
			n++
		}
	}
	return n
}

func survive(t *testing.T, server *simulator.Server, s planetscale.Settings) *follower {
	f := follow(t, server, s)
	defer f.close()
	f.run(8 * time.Minute)
	f.crash()
	f.run(12 * time.Minute)
	raw := map[string]int{}
	for _, e := range f.published {
		raw[string(e.Raw)]++
	}
	for e := range server.Ever() {
		n := f.seen[e.ID]
		if n == 0 {
			n = raw[string(e.Raw)] // without an id of its own
		}
		if n > 1 {
			t.Errorf("event %s of %s, listed %s, was delivered %d times", e.ID, e.Created, e.Listed, n)
		}
		inTime := e.Listed.Sub(e.Created) <= s.Overlap.Std()
		if n == 0 && e.Gone.IsZero() && inTime && time.Since(e.Listed) > s.PollInterval.Std()+time.Second {
			t.Errorf("event %s of %s, listed %s, is lost", e.ID, e.Created, e.Listed)
		}
	}
	f.wantNoEndingBefore()
	return f
}
