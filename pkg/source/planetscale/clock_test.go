package planetscale_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const day = 24 * time.Hour

// lies changes the Date of each answer by an offset, or removes it.
type lies func(n int) (by time.Duration, ok bool)

func (l lies) script(r simulator.Request) simulator.Fault {
	by, ok := l(r.N)
	return simulator.Fault{Date: func(now time.Time) time.Time {
		if !ok {
			return time.Time{}
		}
		return now.Add(by)
	}}
}

// TestDateThatJumps sends a wrong Date with one answer in five. Some of the events are
// listed late.
func TestDateThatJumps(t *testing.T) {
	for _, by := range []time.Duration{-day, -20 * time.Minute, 20 * time.Minute, day} {
		for _, order := range orders {
			if thinned() {
				continue
			}
			t.Run(name(by, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Rate: 0.5, Order: order})
					server.Script(lies(func(n int) (time.Duration, bool) {
						if n%5 != 0 {
							return 0, true
						}
						return by, true
					}).script)
					f := follow(t, server, defaults)
					defer f.close()
					for range 40 {
						f.run(20 * time.Second)
						server.Insert(simulator.Draft{Created: time.Now().Add(-36 * time.Second)})
						server.Insert(simulator.Draft{Created: time.Now().Add(-9 * time.Minute)})
					}
					f.crash()
					f.run(10 * time.Minute)
					f.wantNearlyAll(6 * time.Second)
				})
			})
		}
	}
}

// TestMachineClockThatJumps uses an API without Date, and a machine whose clock is wrong
// for a while. Some events have times in odd forms.
func TestMachineClockThatJumps(t *testing.T) {
	for _, by := range []time.Duration{-day, -20 * time.Minute, 20 * time.Minute, day} {
		for _, order := range orders {
			if thinned() {
				continue
			}
			t.Run(name(by, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Rate: 0.5, Order: order})
					server.Script(lies(func(int) (time.Duration, bool) { return 0, false }).script)
					f := follow(t, server, defaults)
					var off atomic.Int64
					f.source = newSourceAt(t, server, defaults, func() time.Time { return time.Now().Add(time.Duration(off.Load())) })
					defer f.close()
					f.run(3 * time.Minute)
					off.Store(int64(by))
					for i := range 30 {
						f.run(20 * time.Second)
						server.Insert(oddTime(i))
						server.Insert(simulator.Draft{Created: time.Now().Add(-9 * time.Minute)})
					}
					f.crash()
					f.run(3 * time.Minute)
					off.Store(0)
					f.run(20 * time.Minute)
					f.wantNearlyAll(6 * time.Second)
				})
			})
		}
	}
}

// oddTime returns an event whose created_at gives the time of its making in another form,
// or is missing or invalid. The event is made at a whole second, which every form can
// express.
func oddTime(i int) simulator.Draft {
	id := fmt.Sprintf("odd-%d", i)
	now := time.Now().UTC().Truncate(time.Second)
	created := []string{
		now.In(time.FixedZone("", 7200)).Format(`"2006-01-02T15:04:05-07:00"`), now.Format(`"2006-01-02T15:04:05.999999999Z"`),
		`null`, `"yesterday"`, `"2099-01-01T00:00:00Z"`, `"1969-01-01T00:00:00Z"`,
	}[i%6]
	return simulator.Draft{ID: id, Created: now, Raw: fmt.Appendf(nil, `{"id":%q,"created_at":%s}`, id, created)}
}

// TestWhateverTheClocksSay draws both clocks for each request, late events, odd times,
// purges beyond retention, and stops and crashes of the lane. Nothing that is listed is
// lost, nothing is repeated, each gap is reported, and no gap is reported if the log
// holds what the lane saw.
func TestWhateverTheClocksSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		config := simulator.Config{
			Seed:   rapid.Uint64().Draw(rt, "seed"),
			Events: rapid.SampledFrom([]int{0, 1, 150, 700}).Draw(rt, "events"),
			Rate:   rapid.SampledFrom([]float64{0, 0.05, 0.5}).Draw(rt, "rate"),
			Order:  rapid.SampledFrom(orders).Draw(rt, "order"),
			Purged: simulator.Purged(rapid.IntRange(0, 4).Draw(rt, "purged")),
		}
		settings := defaults
		settings.PollInterval = setting.Duration(15 * time.Second)
		bubble(t, func() { clocks(rt, simulator.New(config), settings, config.Events == 0) })
	})
}

func clocks(t *rapid.T, server *simulator.Server, s planetscale.Settings, empty bool) {
	draw := rapid.SampledFrom([]time.Duration{0, 0, 0, -400 * day, -day, -20 * time.Minute, -time.Minute, time.Minute, 20 * time.Minute, day})
	dates := rapid.SliceOfN(draw, 1, 12).Draw(t, "Date is off by")
	machine := rapid.SliceOfN(draw, 1, 12).Draw(t, "the machine's clock is off by")
	missing := rapid.SliceOfN(rapid.Bool(), 1, 5).Draw(t, "no Date")
	// Gaps are found by times. If no clock is right, a gap may go unreported.
	right := rapid.SampledFrom([]string{"neither", "machine", "Date"}).Draw(t, "right")
	switch right {
	case "machine":
		machine = []time.Duration{0}
	case "Date":
		dates, missing = []time.Duration{0}, []bool{false}
	}
	server.Script(lies(func(n int) (time.Duration, bool) { return dates[n%len(dates)], !missing[n%len(missing)] }).script)
	var asked atomic.Int64
	f := follow(t, server, s)
	f.restart = func() *planetscale.Source {
		return newSourceAt(t, server, s, func() time.Time {
			return time.Now().Add(machine[int(asked.Add(1))%len(machine)])
		})
	}
	f.crash()
	defer f.close()
	mayRepeat, purged := map[string]bool{}, false
	for step := range rapid.IntRange(1, 20).Draw(t, "steps") {
		if right == "neither" && count(server.Ever()) > 900 {
			break // If all clocks are behind, no event is dated, and a position names at most 5,000 of these.
		}
		switch rapid.SampledFrom([]string{"run", "run", "crash", "unsaved", "append", "late", "odd", "wait", "purge"}).Draw(t, "step") {
		case "run":
			f.run(time.Duration(rapid.IntRange(1, 900).Draw(t, "seconds")) * time.Second)
		case "crash":
			f.crash()
		case "unsaved":
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute+between)
			if p, ok := f.page(ctx); ok {
				for _, e := range p.Events {
					mayRepeat[e.ID] = true
				}
			}
			cancel()
			f.crash()
		case "append":
			server.Append(rapid.IntRange(1, 250).Draw(t, "appended"))
		case "late":
			before := time.Duration(rapid.IntRange(0, 590).Draw(t, "seconds late")) * time.Second
			server.Insert(simulator.Draft{Created: time.Now().Add(-before)})
		case "odd":
			server.Insert(oddTime(6*step + rapid.IntRange(0, 5).Draw(t, "form")))
		case "wait":
			time.Sleep(time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second)
		case "purge":
			if right == "neither" {
				continue
			}
			purgeBehind(t, f)
			purged = true
		}
	}
	f.crash()
	f.run(15 * time.Minute)
	for e := range server.Ever() {
		n := f.seen[e.ID]
		if n == 0 && e.Gone.IsZero() && time.Since(e.Listed) > 16*time.Second {
			t.Fatalf("event %s of %s, listed %s, is lost", e.ID, e.Created, e.Listed)
		}
		if n > 1 && !mayRepeat[e.ID] {
			t.Fatalf("event %s of %s was delivered %d times without a crash", e.ID, e.Created, n)
		}
	}
	// A lane that never saw an event cannot distinguish a Date long ago from a long stop.
	if right != "neither" {
		f.wantExpiredTold()
	}
	if f.gaps() != 0 && !empty && !purged {
		t.Fatalf("got %d gaps in a log that was whole", f.gaps())
	}
}

func count(events iter.Seq[simulator.Event]) (n int) {
	for range events {
		n++
	}
	return n
}

// TestGapUnderLyingClocks purges the log while a lane is stopped. One clock is wrong at
// the last walk or at the first one after the stop, or both clocks are wrong at the last
// walk.
func TestGapUnderLyingClocks(t *testing.T) {
	for _, by := range []time.Duration{-day, day} {
		for _, words := range []string{"Date before", "Date after", "machine before", "machine after", "both before"} {
			if thinned() {
				continue
			}
			t.Run(name(words, " ", by), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 300, Rate: 0.1})
					var date, machine atomic.Int64
					server.Script(lies(func(int) (time.Duration, bool) { return time.Duration(date.Load()), true }).script)
					f := follow(t, server, defaults)
					f.source = newSourceAt(t, server, defaults, func() time.Time { return time.Now().Add(time.Duration(machine.Load())) })
					defer f.close()
					lie := func(when string) {
						date.Store(0)
						machine.Store(0)
						switch words {
						case "Date " + when:
							date.Store(int64(by))
						case "machine " + when:
							machine.Store(int64(by))
						case "both " + when:
							date.Store(int64(by))
							machine.Store(int64(by))
						}
					}
					f.run(time.Minute)
					lie("before")
					f.run(5 * time.Minute)
					f.crash()
					time.Sleep(4 * time.Hour)
					server.Purge(time.Now().Add(-time.Hour))
					lie("after")
					f.run(10 * time.Minute)
					f.wantExpiredTold()
					if f.gaps() != 1 {
						t.Errorf("got %d gaps, want 1", f.gaps())
					}
				})
			})
		}
	}
}

// TestOneClockFarAheadIsNoGap deletes the only event that a lane saw, while one clock is
// ahead by more than retention.
func TestOneClockFarAheadIsNoGap(t *testing.T) {
	for _, words := range []string{"Date", "machine"} {
		t.Run(words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 1})
				var date, machine atomic.Int64
				server.Script(lies(func(int) (time.Duration, bool) { return time.Duration(date.Load()), true }).script)
				f := follow(t, server, defaults)
				f.source = newSourceAt(t, server, defaults, func() time.Time { return time.Now().Add(time.Duration(machine.Load())) })
				defer f.close()
				f.run(time.Minute)
				server.Delete(f.published[0].ID)
				server.Append(1)
				map[string]*atomic.Int64{"Date": &date, "machine": &machine}[words].Store(int64(400 * day))
				f.run(time.Hour)
				f.wantAll(1)
				if f.gaps() != 0 {
					t.Errorf("got %d gaps", f.gaps())
				}
			})
		})
	}
}

// TestStartNowWithLyingClocks starts a lane while an answer has a Date far ahead.
func TestStartNowWithLyingClocks(t *testing.T) {
	for _, by := range []time.Duration{-day, day} {
		if thinned() {
			continue
		}
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 3000})
				server.Script(lies(func(int) (time.Duration, bool) { return by, true }).script)
				f := follow(t, server, defaults)
				f.source = newSourceAt(t, server, defaults, func() time.Time { return time.Now().Add(by) })
				defer f.close()
				f.start = source.Start{Now: true}
				f.catchUp()
				late := server.Insert(simulator.Draft{Created: time.Now().Add(-5 * time.Minute)})
				ids := server.Append(20)
				f.run(10 * time.Minute)
				for _, id := range append(ids, late) {
					if f.seen[id] != 1 {
						t.Errorf("event %s was delivered %d times", id, f.seen[id])
					}
				}
				if len(f.published) != 21 {
					t.Errorf("got %d events, want 21", len(f.published))
				}
			})
		})
	}
}

// TestClocksThatDisagreeAreTold requires a warning at once and every five minutes.
func TestClocksThatDisagreeAreTold(t *testing.T) {
	for _, c := range []struct {
		by   time.Duration
		want int
	}{{0, 0}, {-50 * time.Second, 0}, {70 * time.Second, 3}, {-day, 3}} {
		t.Run(c.by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 10})
				server.Script(lies(func(int) (time.Duration, bool) { return c.by, true }).script)
				warnings := &warned{}
				src, err := planetscale.New(defaults, planetscale.Options{Log: zerolog.New(warnings), Transport: http.RoundTripper(server.Transport())})
				if err != nil {
					t.Fatal(err)
				}
				f := &follower{t: t, server: server, source: src, seen: map[string]int{}}
				defer f.close()
				f.run(14 * time.Minute)
				if warnings.n != c.want {
					t.Errorf("got %d warnings in 14 minutes, want %d", warnings.n, c.want)
				}
			})
		})
	}
}

type warned struct{ n int }

func (w *warned) Write(line []byte) (int, error) {
	w.n++
	return len(line), nil
}
