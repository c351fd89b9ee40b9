package planetscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestEveryUnknownOfTheAPI runs each thing that goes wrong in the field under
// each reading of what the API leaves open, with walks that fit in memory and
// walks that have to read again. Everything that stays in the log arrives, and
// nothing arrives twice.
func TestEveryUnknownOfTheAPI(t *testing.T) {
	const fits = 48 << 20
	for _, scenario := range simulator.Scenarios() {
		large := scenario.Name == "huge-events" || scenario.Name == "oversized-events"
		if testing.Short() && large {
			continue // The race detector looks at each byte that is copied.
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
						continue // The race detector makes them ten times as slow.
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
							// A log that is emptied while its events are young holds less than
							// retention says: what came between the last walk and then is lost. So are
							// events that vanish before they are read again.
							most := 0
							if scenario.Name == "purged-beyond-retention" || scenario.Name == "vanishing-tail" {
								most = 1
							}
							if f.gaps() > most {
								t.Errorf("got %d gaps, want at most %d", f.gaps(), most)
							}
							if scenario.Name != "repeated-event" { // which the log has in two places
								f.wantOldestFirst()
							}
						})
					})
				}
			}
		}
	}
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
