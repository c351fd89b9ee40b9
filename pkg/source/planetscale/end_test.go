package planetscale_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestAnEndThatComesTooEarlyIsNotBelieved stops a lane, and lets one answer of
// those that it gets later say that nothing follows. In the first catch-up as
// well one such answer loses nothing.
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
					if f.gaps() != 0 {
						t.Errorf("got %d gaps", f.gaps())
					}
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

// TestAnEndThatIsConfirmedByALieIsNotBelieved answers what a stopped lane asks
// first with a page that says that nothing follows, and what it asks behind that
// with nothing. Only the second walk shows that both were wrong.
func TestAnEndThatIsConfirmedByALieIsNotBelieved(t *testing.T) {
	for _, order := range orders {
		for page := 1; page <= 13; page += 4 {
			t.Run(name("page ", page, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Rate: 0.1, Order: order})
					f := follow(t, server, defaults)
					defer f.close()
					f.run(time.Minute)
					f.crash()
					time.Sleep(4 * time.Hour)
					first := server.RequestCount() + page
					server.Script(func(r simulator.Request) simulator.Fault {
						return simulator.Fault{Alter: func(p *simulator.Listing) {
							switch r.N {
							case first:
								p.HasNext = false
							case first + 1:
								*p = simulator.Listing{}
							}
						}}
					})
					f.run(20 * time.Minute)
					f.wantNearlyAll(11 * time.Second)
					if f.gaps() != 0 {
						t.Errorf("got %d gaps", f.gaps())
					}
				})
			})
		}
	}
}

// TestEachEndIsConfirmed has an answer that ends too early, and at the next place
// two in a row: that the first was found wrong confirms nothing of the second.
func TestEachEndIsConfirmed(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 900, Order: order})
				server.Script(func(r simulator.Request) simulator.Fault {
					return simulator.Fault{Alter: func(p *simulator.Listing) {
						switch r.N {
						case 3:
							p.HasNext = false
						case 5, 7:
							*p = simulator.Listing{}
						}
					}}
				})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(20 * time.Minute)
				f.wantAll(1)
			})
		})
	}
}

// TestAGapIsToldWhileTheLogGrows appends an event before each walk behind a gap:
// in a log that lists the oldest first no two walks end at the same event.
func TestAGapIsToldWhileTheLogGrows(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 300, Rate: 0.1, Order: order})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(4 * time.Hour)
				server.Purge(time.Now().Add(-time.Hour))
				server.Script(func(r simulator.Request) simulator.Fault {
					if r.StartingAfter == "" {
						server.Append(1)
					}
					return simulator.Fault{}
				})
				f.run(time.Minute)
				f.wantExpiredTold()
				if f.gaps() != 1 {
					t.Errorf("got %d gaps, want 1", f.gaps())
				}
			})
		})
	}
}

// TestAGapReachesAsFarAsAnythingMayBeLost empties the log, so that nothing but
// the clocks says how far the gap reaches: Date has whole seconds, and one clock
// may be back.
func TestAGapReachesAsFarAsAnythingMayBeLost(t *testing.T) {
	for _, by := range []time.Duration{0, -20 * time.Minute} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 300, Rate: 2})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(4*time.Hour + 700*time.Millisecond)
				server.Purge(time.Now())
				server.Script(lies(func(int) (time.Duration, bool) { return by, true }).script)
				f.run(time.Minute)
				f.wantExpiredTold()
				if f.gaps() != 1 {
					t.Errorf("got %d gaps, want 1", f.gaps())
				}
			})
		})
	}
}

// TestAnEarlyEndThatMetSomethingKnownHidesNoLateEvent ends the walks for late
// events too early: only what was listed down to the floor may raise it.
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

// TestPurgeBeyondRetentionIsTold cuts the log behind the place where a lane
// stopped, long before retention.
func TestPurgeBeyondRetentionIsTold(t *testing.T) {
	for _, order := range orders {
		for _, left := range []time.Duration{0, time.Minute, time.Hour} {
			t.Run(name(left, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Rate: 0.1, Order: order})
					f := follow(t, server, defaults)
					defer f.close()
					f.run(time.Minute)
					f.crash()
					time.Sleep(4 * time.Hour)
					server.Purge(time.Now().Add(-left))
					f.run(20 * time.Minute)
					f.wantExpiredTold()
					if f.gaps() != 1 {
						t.Errorf("got %d gaps, want 1", f.gaps())
					}
					d, err := f.source.Describe(f.saved)
					if err != nil {
						t.Fatal(err)
					}
					if left == 0 {
						return // An empty log shows no edge.
					}
					if reach := d.Expires.Sub(d.Through); reach < left-time.Minute || reach > left+time.Hour {
						t.Errorf("the position expires %s after it was taken, want about %s: what the log showed", reach, left)
					}
				})
			})
		}
	}
}

// TestAnEdgeThatWasLearnedTooNearIsUnlearned lets the log grow old again.
func TestAnEdgeThatWasLearnedTooNearIsUnlearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := defaults
		s.PollInterval, s.Retention = setting.Duration(time.Minute), setting.Duration(24*time.Hour)
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
			t.Errorf("the position expires %s after it was taken, want retention", got)
		}
		if f.gaps() != 1 {
			t.Errorf("got %d gaps, want 1", f.gaps())
		}
	})
}

// TestWhatIsNoGap has logs in which nothing that the position names is left, and
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
					if f.gaps() != 0 {
						t.Errorf("got %d gaps", f.gaps())
					}
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

// TestAQuietLogThatHoldsLessIsTold has logs that hold less than retention says. Each
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
					if f.gaps() != 3 {
						t.Errorf("got %d gaps, want 3", f.gaps())
					}
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

// TestGapAfterAQuietLog cuts a log that was quiet for longer than the lane was away.
func TestGapAfterAQuietLog(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 50, Order: order})
				f := follow(t, server, defaults)
				defer f.close()
				f.run(30 * time.Minute)
				f.crash()
				time.Sleep(10 * time.Second)
				stopped := time.Now()
				server.Append(800)
				time.Sleep(10 * time.Second)
				cut := time.Now()
				server.Append(700)
				server.Purge(cut)
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
						t.Errorf("the gap is from %s to %s (%v), want it to hold %s to %s", g.From, g.To, err, stopped, cut)
					}
				}
			})
		})
	}
}

// TestGapIsNotTheEnd keeps a run that ends when it has caught up from ending at
// the gap: what is left of the log comes behind it.
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
		for range 3 { // the gap, to be told; the gap; events
			p, _ := f.page(t.Context())
			caughtUp = append(caughtUp, p.CaughtUp)
		}
		if want := []bool{false, false, true}; !slices.Equal(caughtUp, want) || f.gaps() != 1 {
			t.Errorf("got pages that say caught up: %v, %d gaps; want %v, 1", caughtUp, f.gaps(), want)
		}
	})
}

// TestCatchUpWhileAThirdOfAllAnswersFails reads a thousand pages. A page may be
// asked for in vain tries-1 times in a row.
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

// TestEmptyPagesNowAndThen answers one in six with nothing and has_next.
func TestEmptyPagesNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 3000})
		server.Script(func(r simulator.Request) simulator.Fault {
			if r.N%6 != 1 { // the first page too
				return simulator.Fault{}
			}
			return simulator.Fault{Alter: func(p *simulator.Listing) { *p = simulator.Listing{HasNext: true} }}
		})
		f := follow(t, server, defaults)
		defer f.close()
		f.run(2 * time.Minute)
		f.wantAll(1)
		if n := f.reader.Progress().WalksFailed; n != 0 {
			t.Errorf("%d walks were thrown away", n)
		}
	})
}

// TestACursorThatIsGoneEndsItsWalkSoon counts the requests that it costs.
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
				if got, most := server.RequestCount(), 5+8+10+2; !deleted || got > most {
					t.Errorf("got %d requests, want at most %d", got, most)
				}
			})
		})
	}
}
