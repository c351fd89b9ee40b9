package planetscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

var orders = []simulator.Order{simulator.NewestFirst, simulator.OldestFirst}

func TestCatchUpDeliversEachEventOnceAndRequestsEachPageOnce(t *testing.T) {
	for _, order := range orders {
		for _, n := range []int{0, 1, 2, 99, 100, 101, 250, 10_050} {
			t.Run(name(order, " ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: n, Order: order})
					f := follow(t, server, defaults)
					defer f.close()
					f.catchUp()
					f.wantAll(1)
					f.wantOldestFirst()
					f.wantNoEndingBefore()
					// The reader requests what follows the last event twice more. For an
					// empty log it can only request the same page again.
					if got, want := server.RequestCount(), max(2, (n+99)/100+2*min(n, 1)); got != want {
						t.Errorf("got %d requests, want %d", got, want)
					}
				})
			})
		}
	}
}

func TestIdlePollIsOneRequest(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 1000, Spacing: 10 * time.Second}, func(t *testing.T, f *follower) {
		f.catchUp()
		before := f.server.RequestCount()
		f.run(10*time.Minute + time.Second)
		polls := 120
		// One walk down to the floor every overlap/4, with one page below it.
		if got, most := f.server.RequestCount()-before, polls+2*5; got < polls-1 || got > most {
			t.Errorf("got %d requests in %d polls, want at most %d", got, polls, most)
		}
		f.wantAll(1)
	})
}

func TestMoreNewEventsThanAPage(t *testing.T) {
	for _, order := range orders {
		for _, n := range []int{101, 1000, 10_100} {
			t.Run(name(order, " ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Spacing: time.Minute, Order: order})
					f := follow(t, server, defaults)
					defer f.close()
					f.catchUp()
					time.Sleep(time.Hour)
					server.Append(n)
					before := server.RequestCount()
					f.run(4 * time.Second)
					f.wantAll(1)
					f.wantOldestFirst()
					// The pages with the events, one page that shows that these are all,
					// and for the other order the way from the anchor.
					if got, most := server.RequestCount()-before, n/100+4; got > most {
						t.Errorf("got %d requests, want at most %d", got, most)
					}
				})
			})
		}
	}
}

func TestWalkBeyondTheBudgetReadsTwiceAtMost(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 20_000, Order: order})
				s := defaults
				s.WalkBuffer = setting.Size(256 << 10)
				f := follow(t, server, s)
				defer f.close()
				f.catchUp()
				f.wantAll(1)
				f.wantOldestFirst()
				if got, pages := server.RequestCount(), 200; got <= pages || got > pages*21/10 {
					t.Errorf("got %d requests for %d pages", got, pages)
				}
			})
		})
	}
}

func TestLateEventsAreDeliveredAndMarked(t *testing.T) {
	events, rate := 2000, 1.0
	if testing.Short() {
		events, rate = 300, 0.2
	}
	for _, order := range orders {
		for _, key := range []simulator.SortKey{simulator.ByCreatedAt, simulator.ByInsertion} {
			t.Run(name(order, " ", key), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: events, Rate: rate, Order: order, SortKey: key})
					f := follow(t, server, defaults)
					defer f.close()
					f.catchUp()
					late := map[string]bool{}
					for range 24 {
						f.run(30 * time.Second)
						late[server.Insert(simulator.Draft{Created: time.Now().Add(-defaults.Overlap.Std() + 5*time.Second)})] = true
					}
					f.run(defaults.Overlap.Std())
					f.wantNearlyAll(5 * time.Second)
					for _, e := range f.published {
						if late[e.ID] && !e.Late {
							t.Errorf("event %s is not marked late", e.ID)
						}
					}
				})
			})
		}
	}
}

func TestStartNowDeliversWhatBecomesVisibleLater(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 3000}, func(t *testing.T, f *follower) {
		f.start = source.Start{Now: true}
		f.catchUp()
		if len(f.published) != 0 {
			t.Fatalf("got %d events that were there before", len(f.published))
		}
		late := f.server.Insert(simulator.Draft{Created: time.Now().Add(-5 * time.Minute)})
		ids := f.server.Append(150)
		f.run(10 * time.Minute)
		for _, id := range append(ids, late) {
			if f.seen[id] != 1 {
				t.Errorf("event %s was delivered %d times", id, f.seen[id])
			}
		}
		if len(f.published) != 151 {
			t.Errorf("got %d events, want 151", len(f.published))
		}
	})
}

func TestStartAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 3000})
		f := follow(t, server, defaults)
		defer f.close()
		since := time.Now().Add(-10 * time.Minute)
		f.start = source.Start{Since: since}
		f.catchUp()
		want := 0
		for e := range server.Visible() {
			if !e.Created.Before(since) {
				want++
			}
		}
		if len(f.published) != want {
			t.Errorf("got %d events, want %d", len(f.published), want)
		}
	})
}

func TestGap(t *testing.T) {
	for _, order := range orders {
		t.Run("retention passes a stopped lane: one gap, then on "+order.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 500, Rate: 0.01, Retention: defaults.Retention.Std(), Order: order})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(defaults.Retention.Std() + 24*time.Hour)
				f.events() // The gap is saved, and told.
				f.crash()  // before it was saved that it was told
				f.run(time.Hour)
				ids := map[string]bool{}
				for _, e := range f.published {
					if e.Gap {
						ids[e.ID] = true
					}
				}
				if len(ids) != 1 || f.gaps() != 2 {
					t.Errorf("got gaps %v in %d events, want one gap, delivered twice", ids, f.gaps())
				}
				for e := range server.Visible() {
					if time.Since(e.Created) > time.Minute && f.seen[e.ID] == 0 {
						t.Errorf("event %s of %s was not delivered", e.ID, e.Created)
					}
				}
			})
		})
		t.Run("a log that is quiet for longer than retention has none "+order.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 500, Retention: defaults.Retention.Std(), Order: order})
				s := defaults
				s.PollInterval = setting.Duration(10 * time.Minute)
				if testing.Short() {
					s.PollInterval = setting.Duration(time.Hour)
				}
				f := follow(t, server, s)
				defer f.close()
				f.run(2 * defaults.Retention.Std())
				f.crash()
				time.Sleep(24 * time.Hour)
				ids := server.Append(3)
				f.run(time.Hour)
				if f.gaps() != 0 {
					t.Errorf("got %d gaps", f.gaps())
				}
				for _, id := range ids {
					if f.seen[id] != 1 {
						t.Errorf("event %s was delivered %d times", id, f.seen[id])
					}
				}
			})
		})
	}
}

// TestCursorGoneBeforeTheSecondRead deletes the events whose ids lead to pages that must
// be read again. No answer of the API to these cursors may be taken for the end of the
// log.
func TestCursorGoneBeforeTheSecondRead(t *testing.T) {
	for purged := simulator.NotFound404; purged <= simulator.FirstPage; purged++ {
		t.Run(purged.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 1000, Purged: purged})
				var oldestFirst []string
				for e := range server.Visible() {
					oldestFirst = append(oldestFirst, e.ID)
				}
				s := defaults
				s.WalkBuffer = 0
				f := follow(t, server, s)
				defer f.close()
				first, _ := f.page(t.Context())
				f.save(first)
				gone := map[string]bool{}
				for i := 400; i < 1000; i += 200 {
					gone[oldestFirst[i]] = server.Delete(oldestFirst[i])
				}
				f.catchUp()
				for _, id := range oldestFirst {
					if n := f.seen[id]; n != 1 && !gone[id] || n > 1 {
						t.Errorf("event %s was delivered %d times", id, n)
					}
				}
			})
		})
	}
}
