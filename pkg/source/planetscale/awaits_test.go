package planetscale_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// list reads for a while as a lane does whose sink is down: it saves pages without an
// event, and publishes none.
func (f *follower) list(d time.Duration) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d+between)
	defer cancel()
	f.open()
	for {
		p, err := f.reader.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.fail(err)
		case len(p.Events) > 0:
			<-ctx.Done()
			return
		default:
			f.save(p)
		}
	}
}

// TestWhatWasListedAndNotDeliveredIsMissed cuts the log behind a lane that listed it while
// its sink was down. The lane delivered nothing, so it knows no event.
func TestWhatWasListedAndNotDeliveredIsMissed(t *testing.T) {
	for words, cut := range map[string]func(f *follower){
		"some are left": func(f *follower) {
			f.list(time.Minute)
			f.crash()
			time.Sleep(time.Hour)
			f.server.Append(10)
			f.server.Purge(time.Now().Add(-time.Minute))
		},
		"none is left": func(f *follower) {
			f.list(time.Minute)
			f.crash()
			f.server.Purge(time.Now())
		},
		"behind a lane that begins at a time": func(f *follower) {
			f.start = source.Start{Since: time.Now().Add(-2 * time.Hour)}
			f.list(time.Minute)
			f.crash()
			f.server.Append(10)
			f.server.Purge(time.Now().Add(-time.Minute))
		},
		"after a stop in the middle of the first walk": func(f *follower) {
			f.server.Append(500)
			f.list(3 * time.Second)
			f.crash()
			time.Sleep(time.Minute)
			f.server.Purge(time.Now().Add(-30 * time.Second))
			f.server.Append(5)
		},
	} {
		eachOrder(t, words, simulator.Config{Events: 50}, func(t *testing.T, f *follower) {
			f.server.Script(slow)
			cut(f)
			f.catchUp()
			f.wantGaps(1)
			if bytes.Contains(f.saved, []byte(`"awaits"`)) {
				t.Errorf("the position awaits events, and all were delivered: %s", f.saved)
			}
			f.run(time.Hour)
			f.wantGaps(1)
		})
	}
}

// slow has each answer take a second.
func slow(simulator.Request) simulator.Fault { return simulator.Fault{Delay: time.Second} }

// TestAnEmptyLogThatGrewIsCut is the same where the first walk listed nothing.
func TestAnEmptyLogThatGrewIsCut(t *testing.T) {
	eachOrder(t, "", simulator.Config{}, func(_ *testing.T, f *follower) {
		f.run(time.Minute)
		f.server.Append(60)
		f.list(time.Minute)
		f.crash()
		time.Sleep(time.Minute)
		f.server.Purge(time.Now().Add(-time.Second))
		f.server.Append(5)
		f.run(10 * time.Minute)
		f.wantGaps(1)
	})
}

// TestTheFirstWalkIsCut cuts the log between two pages of a lane's first walk: behind what
// was listed, before it, or all of it.
func TestTheFirstWalkIsCut(t *testing.T) {
	for purged := simulator.NotFound404; purged <= simulator.FirstPage; purged++ {
		for _, order := range orders {
			if order == simulator.OldestFirst && purged == simulator.FirstPage {
				continue // The first page of what is left looks like the page behind the cursor.
			}
			for _, left := range []int{200, 120, 0} {
				if thinned() {
					continue
				}
				t.Run(name(order, " ", purged, " ", left, " are left"), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { firstWalkIsCut(t, order, purged, left) })
				})
			}
		}
	}
}

func firstWalkIsCut(t *testing.T, order simulator.Order, purged simulator.Purged, left int) {
	const events = 1000
	n := events
	server := simulator.New(simulator.Config{Events: events, Order: order, Purged: purged})
	edge := time.Now()
	for e := range server.Visible() {
		if n--; n == left {
			edge = e.Created.Add(time.Millisecond)
		}
	}
	server.Script(func(r simulator.Request) simulator.Fault {
		if r.N == 3 {
			server.Purge(edge)
			server.Append(50)
		}
		return simulator.Fault{}
	})
	f := follow(t, server, defaults)
	defer f.close()
	f.run(20 * time.Minute)
	f.wantAllBut(events - left)
	f.wantGaps(1)
}

// TestALogThatIsReplacedInTheMiddleOfAWalk cuts all of the log, between two pages that list
// what was delivered. The cursor is gone, and the server may answer with the first page of a
// log of other events.
func TestALogThatIsReplacedInTheMiddleOfAWalk(t *testing.T) {
	for purged := simulator.NotFound404; purged <= simulator.FirstPage; purged++ {
		for _, appended := range []int{1, 60} {
			if thinned() {
				continue
			}
			t.Run(name(purged, " ", appended), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := follow(t, simulator.New(simulator.Config{Events: 400, Purged: purged}), defaults)
					defer f.close()
					f.run(time.Minute)
					f.server.Append(30)
					cut := false
					f.server.Script(func(r simulator.Request) simulator.Fault {
						if created, ok := createdOf(f.server, r.StartingAfter); ok && !cut && time.Since(created) > time.Minute {
							cut = true
							f.server.Append(appended)
							f.server.Purge(time.Now())
							f.server.Append(appended)
						}
						return simulator.Fault{}
					})
					f.run(time.Hour)
					f.wantGaps(1)
				})
			})
		}
	}
}

func createdOf(server *simulator.Server, id string) (time.Time, bool) {
	for e := range server.Visible() {
		if e.ID == id {
			return e.Created, true
		}
	}
	return time.Time{}, false
}

// TestStartAtATimeThatTheLogNoLongerReaches reports what the log lost since then. A log that
// is only young lost nothing.
func TestStartAtATimeThatTheLogNoLongerReaches(t *testing.T) {
	for _, order := range orders {
		for age, want := range map[time.Duration]int{20 * day: 1, 5 * day: 0} {
			t.Run(name(order, " ", age), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := follow(t, simulator.New(simulator.Config{Events: 150, Order: order}), defaults)
					defer f.close()
					f.start = source.Start{Since: time.Now().Add(-age)}
					f.run(time.Hour)
					f.wantAll(1)
					f.wantGaps(want)
				})
			})
		}
	}
}

// TestAnEndThatIsWrongMissesNothing answers a lane that delivered nothing yet, after a
// restart, that nothing follows the first page, and repeats that each time it asks again.
func TestAnEndThatIsWrongMissesNothing(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 500}, func(_ *testing.T, f *follower) {
		f.list(time.Minute)
		f.crash()
		left := 3
		f.server.Script(func(simulator.Request) simulator.Fault {
			left--
			return simulator.Fault{Alter: func(p *simulator.Listing) {
				switch {
				case left == 2:
					p.HasNext = false
				case left >= 0:
					*p = simulator.Listing{}
				}
			}}
		})
		f.run(time.Hour)
		f.wantAll(1)
		f.wantGaps(0)
	})
}

// TestAGapThatWasNotDelivered is found by a lane whose sink is down. Its position shows
// the gap, and the next run reports it again.
func TestAGapThatWasNotDelivered(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(t *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		f.server.Append(30)
		f.server.Purge(time.Now().Add(-time.Second))
		f.server.Append(5)
		f.list(time.Minute)
		f.crash()
		d, err := f.source.Describe(f.saved)
		if err != nil || d.Gap.From.IsZero() || !d.Through.Equal(d.Gap.From) || d.Awaits.Before(d.Gap.To) {
			t.Errorf("got %+v, %v, want a gap, complete until its begin, and events that wait behind it", d, err)
		}
		f.open()
		if got := f.reader.Progress(); got.Gaps != 1 || !got.LastGap.Equal(time.Now()) {
			t.Errorf("the next run found %d gaps, the last at %s", got.Gaps, got.LastGap)
		}
		f.catchUp()
		f.wantGaps(1)
	})
}

// TestAGapCoversLateEvents makes events visible late, while the lane is stopped, and cuts
// them.
func TestAGapCoversLateEvents(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(t *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		for range 20 {
			f.server.Insert(simulator.Draft{Created: time.Now().Add(-5 * time.Minute)})
		}
		time.Sleep(time.Hour)
		f.server.Append(3)
		f.server.Purge(time.Now().Add(-time.Minute))
		f.run(time.Minute)
		f.wantGaps(1)
	})
}
