package planetscale_test

import (
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestAnEndThatComesTooEarlyIsNotBelieved stops a lane. One of the answers after that
// wrongly says that nothing follows. In the first catch-up, too, one such answer loses
// nothing.
func TestAnEndThatComesTooEarlyIsNotBelieved(t *testing.T) {
	early := func(first int) simulator.Script {
		return func(r simulator.Request) simulator.Fault {
			if r.N != first {
				return simulator.Fault{}
			}
			return simulator.Fault{Alter: func(p *simulator.Listing) { p.HasNext = false }}
		}
	}
	for _, order := range orders {
		for page := 1; page <= 16; page += 3 {
			if thinned() {
				continue
			}
			t.Run(name("stopped for hours, page ", page, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Rate: 0.1, Order: order})
					f := follow(t, server, defaults)
					defer f.close()
					f.run(time.Minute)
					f.crash()
					time.Sleep(4 * time.Hour)
					server.Script(early(server.RequestCount() + page))
					f.run(20 * time.Minute)
					f.wantNearlyAll(11 * time.Second)
					f.wantGaps(0)
				})
			})
			t.Run(name("first catch-up, page ", page, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 1500, Order: order})
					server.Script(early(page))
					f := follow(t, server, defaults)
					defer f.close()
					f.run(20 * time.Minute)
					f.wantAll(1)
				})
			})
		}
	}
}

// endsTwice says in answer to request first that the log ends there, and says so again
// when it is asked what follows.
func endsTwice(first int) simulator.Script {
	return func(r simulator.Request) simulator.Fault {
		return simulator.Fault{Alter: func(p *simulator.Listing) {
			switch r.N {
			case first:
				p.HasNext = false
			case first + 1:
				*p = simulator.Listing{}
			}
		}}
	}
}

// TestAnEndThatIsConfirmedByALieIsNotBelieved sends a stopped lane a page that wrongly
// says that nothing follows, and then an empty page for the request after it. Only the
// second walk shows that both were wrong.
func TestAnEndThatIsConfirmedByALieIsNotBelieved(t *testing.T) {
	for page := 1; page <= 13; page += 4 {
		eachOrder(t, name("page ", page), simulator.Config{Events: 300, Rate: 0.1}, func(t *testing.T, f *follower) {
			f.run(time.Minute)
			f.crash()
			time.Sleep(4 * time.Hour)
			f.server.Script(endsTwice(f.server.RequestCount() + page))
			f.run(20 * time.Minute)
			f.wantNearlyAll(11 * time.Second)
			f.wantGaps(0)
		})
	}
}

// TestAnEndThatHidTheNewestEvents stops a lane right after it believed a wrong end, before
// a poll can find what the end hid. The log loses that meanwhile. In a log that lists the
// oldest first, the newest events were hidden.
func TestAnEndThatHidTheNewestEvents(t *testing.T) {
	for page := 1; page <= 13; page += 4 {
		eachOrder(t, name("page ", page), simulator.Config{Events: 300, Rate: 0.1}, func(t *testing.T, f *follower) {
			f.run(time.Minute)
			f.crash()
			time.Sleep(4 * time.Hour)
			f.server.Script(endsTwice(f.server.RequestCount() + page))
			f.catchUp()
			f.crash()
			time.Sleep(time.Hour)
			f.server.Purge(time.Now())
			f.run(20 * time.Minute)
			f.wantGaps(1)
		})
	}
}

// TestALaterEndDoesNotConfirmAnEarlierOne ends two walks too early, the second one a page
// later. So the second walk lists what the first one denied.
func TestALaterEndDoesNotConfirmAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 300, Rate: 0.1})
		f := follow(t, server, defaults)
		defer f.close()
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		first := server.RequestCount() + 1
		server.Script(func(r simulator.Request) simulator.Fault {
			return simulator.Fault{Alter: func(p *simulator.Listing) {
				switch r.N - first {
				case 0, 3:
					p.HasNext = false
				case 1, 4:
					*p = simulator.Listing{}
				}
			}}
		})
		f.run(20 * time.Minute)
		f.wantNearlyAll(11 * time.Second)
		f.wantGaps(0)
	})
}

// TestEachEndIsConfirmed sends one answer that ends too early, and two in a row at the
// next place. That the first end was wrong confirms nothing about the second.
func TestEachEndIsConfirmed(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 900}, func(t *testing.T, f *follower) {
		f.server.Script(func(r simulator.Request) simulator.Fault {
			return simulator.Fault{Alter: func(p *simulator.Listing) {
				switch r.N {
				case 3:
					p.HasNext = false
				case 5, 7:
					*p = simulator.Listing{}
				}
			}}
		})
		f.run(20 * time.Minute)
		f.wantAll(1)
	})
}

// TestAnEndIsBelievedOnlyIfEachAnswerRefuses sends a page that ends too early. The
// requests after it get answers that contradict themselves, and at most one refusal. None
// of these answers means that the log ends there.
func TestAnEndIsBelievedOnlyIfEachAnswerRefuses(t *testing.T) {
	for _, refusal := range []int{0, 1, 8} { // which of the eight answers refuses; 0: none
		eachOrder(t, name(refusal), simulator.Config{Events: 1500}, func(t *testing.T, f *follower) {
			f.server.Script(func(r simulator.Request) simulator.Fault {
				switch n := r.N - 5; {
				case n == 0:
					return simulator.Fault{Alter: func(p *simulator.Listing) { p.HasNext = false }}
				case n < 0 || n > 8:
					return simulator.Fault{}
				case n == refusal:
					return simulator.Fault{Status: 404, Body: `{"code":"not_found","message":"Not Found"}`}
				}
				return simulator.Fault{Alter: func(p *simulator.Listing) { p.HasNext, p.End = true, "" }}
			})
			f.run(20 * time.Minute)
			f.wantAll(1)
		})
	}
}

// TestAGapIsToldWhileTheLogGrows appends an event before each walk after a gap. If the
// log lists the oldest first, no two walks end at the same event.
func TestAGapIsToldWhileTheLogGrows(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 300, Rate: 0.1}, func(t *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		f.server.Purge(time.Now().Add(-time.Hour))
		f.server.Script(func(r simulator.Request) simulator.Fault {
			if r.StartingAfter == "" {
				f.server.Append(1)
			}
			return simulator.Fault{}
		})
		f.run(time.Minute)
		f.wantGaps(1)
	})
}

// TestAGapReachesAsFarAsAnythingMayBeLost empties the log, so only the clocks say how far
// the gap reaches. Date has whole seconds, and one of the clocks may be behind.
func TestAGapReachesAsFarAsAnythingMayBeLost(t *testing.T) {
	for _, by := range []struct{ date, machine time.Duration }{{0, 0}, {-20 * time.Minute, 0}, {0, -20 * time.Minute}} {
		t.Run(name(by.date, " ", by.machine), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 300, Rate: 2})
				f := follow(t, server, defaults)
				var machine atomic.Int64
				f.source = newSourceAt(t, server, defaults, func() time.Time { return time.Now().Add(time.Duration(machine.Load())) })
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(4*time.Hour + 700*time.Millisecond)
				server.Purge(time.Now())
				server.Script(lies(func(int) (time.Duration, bool) { return by.date, true }).script)
				machine.Store(int64(by.machine))
				f.run(time.Minute)
				f.wantGaps(1)
			})
		})
	}
}

// TestAnEarlyEndThatMetSomethingKnownHidesNoLateEvent ends the walks for late events too
// early. Only a walk that was listed down to the floor may raise the floor.
func TestAnEarlyEndThatMetSomethingKnownHidesNoLateEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 2000, Rate: 1})
		f := follow(t, server, defaults)
		defer f.close()
		f.run(time.Minute)
		server.Script(func(r simulator.Request) simulator.Fault {
			if r.StartingAfter == "" || r.N%2 == 0 {
				return simulator.Fault{}
			}
			return simulator.Fault{Alter: func(p *simulator.Listing) { p.HasNext = false }}
		})
		for range 30 {
			f.run(20 * time.Second)
			server.Insert(simulator.Draft{Created: time.Now().Add(-9 * time.Minute)})
		}
		f.run(10 * time.Minute)
		f.wantNearlyAll(6 * time.Second)
	})
}

// TestPurgeBeyondRetentionIsTold purges the log beyond the place where a lane stopped,
// long before retention.
func TestPurgeBeyondRetentionIsTold(t *testing.T) {
	for _, left := range []time.Duration{0, time.Minute, time.Hour} {
		eachOrder(t, name(left), simulator.Config{Events: 300, Rate: 0.1}, func(t *testing.T, f *follower) {
			f.run(time.Minute)
			f.crash()
			time.Sleep(4 * time.Hour)
			f.server.Purge(time.Now().Add(-left))
			f.run(20 * time.Minute)
			f.wantGaps(1)
			d, err := f.source.Describe(f.saved)
			if err != nil {
				t.Fatal(err)
			}
			if left == 0 {
				return // An empty log shows no edge.
			}
			if reach := d.Expires.Sub(d.Through); reach < left-time.Minute || reach > left+time.Hour {
				t.Errorf("the position expires %s after it was taken, want about the reach of the log, %s", reach, left)
			}
		})
	}
}

// TestAnEdgeThatWasLearnedTooNearIsUnlearned lets the log grow old again after a purge.
func TestAnEdgeThatWasLearnedTooNearIsUnlearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := defaults
		s.PollInterval, s.Retention = setting.Duration(time.Minute), setting.Duration(24*time.Hour)
		if testing.Short() {
			s.PollInterval *= 5
		}
		server := simulator.New(simulator.Config{Events: 300, Rate: 0.02})
		f := follow(t, server, s)
		defer f.close()
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		server.Purge(time.Now().Add(-time.Minute))
		f.run(50 * time.Hour)
		d, err := f.source.Describe(f.saved)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Expires.Sub(d.Through); got != 24*time.Hour {
			t.Errorf("the position expires %s after it was taken, want retention, 24h", got)
		}
		f.wantGaps(1)
	})
}

// TestWhatIsNoGap uses logs in which nothing is left of what the position names, but
// nothing was lost.
func TestWhatIsNoGap(t *testing.T) {
	day := 24 * time.Hour
	for _, order := range orders {
		run := func(words string, config simulator.Config, do func(*follower)) {
			config.Order = order
			t.Run(name(words, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := defaults
					s.PollInterval = setting.Duration(10 * time.Minute)
					f := follow(t, simulator.New(config), s)
					defer f.close()
					do(f)
					f.wantNearlyAll(11 * time.Minute)
					f.wantGaps(0)
				})
			})
		}
		run("a young log", simulator.Config{}, func(f *follower) {
			f.run(time.Hour)
			f.crash()
			time.Sleep(day)
			f.server.Append(1)
			f.run(time.Hour)
			f.crash()
			time.Sleep(day)
			f.server.Append(1)
			f.run(time.Hour)
		})
		run("the only event is deleted", simulator.Config{Events: 1}, func(f *follower) {
			f.run(20 * time.Second)
			f.server.Delete(f.published[0].ID)
			f.server.Append(1)
			f.run(time.Hour)
		})
	}
}

// TestAQuietLogThatHoldsLessIsTold uses logs that hold less than retention says. Each
// time nothing is left of what the position names, more may be gone.
func TestAQuietLogThatHoldsLessIsTold(t *testing.T) {
	day := 24 * time.Hour
	for _, order := range orders {
		run := func(words string, held time.Duration, do func(*follower)) {
			t.Run(name(words, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := defaults
					s.PollInterval = setting.Duration(10 * time.Minute)
					f := follow(t, simulator.New(simulator.Config{Events: 50, Retention: held, Order: order}), s)
					defer f.close()
					for range 3 {
						do(f)
						f.server.Append(3)
						f.run(time.Hour)
					}
					f.wantNearlyAll(11 * time.Minute)
					f.wantGaps(3)
				})
			})
		}
		run("followed", 2*day, func(f *follower) { f.run(3 * day) })
		run("read once a day", 5*day, func(f *follower) {
			for range 8 {
				f.catchUp()
				f.crash()
				time.Sleep(day)
			}
		})
	}
}

// TestGapAfterAQuietLog purges a log that was quiet for longer than the lane was away.
func TestGapAfterAQuietLog(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(t *testing.T, f *follower) {
		f.run(30 * time.Minute)
		f.crash()
		time.Sleep(10 * time.Second)
		stopped := time.Now()
		f.server.Append(800)
		time.Sleep(10 * time.Second)
		cut := time.Now()
		f.server.Append(700)
		f.server.Purge(cut)
		f.run(time.Minute)
		if f.gaps() != 1 {
			t.Fatalf("got %d gaps, want 1: 800 events were never listed", f.gaps())
		}
		for _, e := range f.published {
			var g struct{ From, To time.Time }
			if !e.Gap {
				continue
			}
			if err := json.Unmarshal(e.Raw, &g); err != nil || g.From.After(stopped) || g.To.Before(cut.Add(-time.Second)) {
				t.Errorf("the gap is from %s to %s (%v), want one around %s to %s", g.From, g.To, err, stopped, cut)
			}
		}
	})
}

// TestGapIsNotTheEnd requires that a run with --once does not end at the gap, since the
// rest of the log follows it.
func TestGapIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 300, Rate: 0.1})
		f := follow(t, server, defaults)
		defer f.close()
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		server.Purge(time.Now().Add(-time.Hour))
		var caughtUp []bool
		for range 3 { // a position with the gap to report; the gap event; events
			p, _ := f.page(t.Context())
			caughtUp = append(caughtUp, p.CaughtUp)
		}
		if want := []bool{false, false, true}; !slices.Equal(caughtUp, want) || f.gaps() != 1 {
			t.Errorf("got pages that say caught up: %v, %d gaps; want %v, 1", caughtUp, f.gaps(), want)
		}
	})
}

// TestCatchUpWhileAThirdOfAllAnswersFails reads a thousand pages. At most tries-1
// requests in a row for a page fail.
func TestCatchUpWhileAThirdOfAllAnswersFails(t *testing.T) {
	pages := 1000
	if testing.Short() {
		pages = 150
	}
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 100 * pages, Order: order})
				server.Script(simulator.Failing(9, 1.0/3))
				f := follow(t, server, defaults)
				f.patience = 10 * pages
				defer f.close()
				f.catchUp()
				f.wantAll(1)
				if got, most := server.RequestCount(), 4*pages+100; got > most {
					t.Errorf("got %d requests for %d pages, want at most %d", got, pages, most)
				}
			})
		})
	}
}

// TestEmptyPagesNowAndThen answers one request in six with an empty page and has_next.
func TestEmptyPagesNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 3000})
		server.Script(func(r simulator.Request) simulator.Fault {
			if r.N%6 != 1 { // the first page included
				return simulator.Fault{}
			}
			return simulator.Fault{Alter: func(p *simulator.Listing) { *p = simulator.Listing{HasNext: true} }}
		})
		f := follow(t, server, defaults)
		defer f.close()
		f.run(2 * time.Minute)
		f.wantAll(1)
		if n := f.reader.Progress().WalksFailed; n != 0 {
			t.Errorf("%d walks were discarded, want none", n)
		}
	})
}

// TestALastEventThatIsGoneEndsTheLog deletes the last event when the reader requests what
// follows it.
func TestALastEventThatIsGoneEndsTheLog(t *testing.T) {
	for purged := simulator.NotFound404; purged <= simulator.FirstPage; purged++ {
		for _, pages := range []int{1, 3} {
			t.Run(name(purged, " ", pages), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 100 * pages, Purged: purged})
					deleted := false
					server.Script(func(r simulator.Request) simulator.Fault {
						if r.N == pages+1 {
							deleted = server.Delete(r.StartingAfter)
						}
						return simulator.Fault{}
					})
					f := follow(t, server, defaults)
					defer f.close()
					f.catchUp()
					f.wantAll(1)
					if n := f.reader.Progress().WalksFailed; !deleted || n != 0 {
						t.Errorf("deleted %t, %d walks were discarded, want none", deleted, n)
					}
				})
			})
		}
	}
}

// TestACursorThatIsGoneEndsItsWalkSoon limits the requests that a deleted cursor costs.
func TestACursorThatIsGoneEndsItsWalkSoon(t *testing.T) {
	for purged := simulator.NotFound404; purged <= simulator.FirstPage; purged++ {
		t.Run(purged.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 1000, Purged: purged})
				deleted := false
				server.Script(func(r simulator.Request) simulator.Fault {
					if r.N == 5 {
						deleted = server.Delete(r.StartingAfter)
					}
					return simulator.Fault{}
				})
				f := follow(t, server, defaults)
				defer f.close()
				f.catchUp()
				f.wantAllBut(1)
				// A second walk confirms the end of one that misses an event of the discarded one.
				if got, most := server.RequestCount(), 5+8+2*(10+2); !deleted || got > most {
					t.Errorf("got %d requests, want at most %d", got, most)
				}
			})
		})
	}
}
