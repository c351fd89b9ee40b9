package planetscale_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestNothingIsLostOrRepeated lets the log and its answers do anything, and crashes the
// lane at any step: between the publishing of a page and the saving of its position, or
// in the middle of a walk. Every event arrives or lies in a reported gap. Only events
// that were published after the last save before a crash repeat. Without a purge or a
// deletion there is no gap.
func TestNothingIsLostOrRepeated(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		config := simulator.Config{
			Seed:    rapid.Uint64().Draw(rt, "seed"),
			Events:  rapid.SampledFrom([]int{0, 1, 3, 100, 555, 2500}).Draw(rt, "events"),
			Rate:    rapid.SampledFrom([]float64{0, 0.2, 2}).Draw(rt, "rate"),
			Order:   rapid.SampledFrom(orders).Draw(rt, "order"),
			SortKey: rapid.SampledFrom([]simulator.SortKey{simulator.ByCreatedAt, simulator.ByInsertion}).Draw(rt, "sort key"),
			Purged:  simulator.Purged(rapid.IntRange(0, 4).Draw(rt, "purged")),
		}
		settings := defaults
		settings.PollInterval = setting.Duration(15 * time.Second)
		settings.WalkBuffer = rapid.SampledFrom([]setting.Size{0, 20_000, 48 << 20}).Draw(rt, "walk buffer")
		bubble(t, func() { crashes(rt, simulator.New(config), settings) })
	})
}

// wrong draws faults of the answers: some fail by themselves, some pages end too early or
// are empty, and some have a wrong Date.
func wrong(t *rapid.T) simulator.Script {
	share := rapid.SampledFrom([]float64{0, 0, 0.1, 1.0 / 3}).Draw(t, "share that fails")
	failing := simulator.Failing(rapid.Uint64().Draw(t, "failures"), share)
	every := func(what string) func(simulator.Request) bool {
		n := rapid.SampledFrom([]int{0, 0, 3, 7}).Draw(t, what)
		return func(r simulator.Request) bool { return n > 0 && r.N%n == 0 }
	}
	early, empty := every("of so many answers one ends too early"), every("of so many answers one is empty")
	off := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{0, 0, -day, -20 * time.Minute, 20 * time.Minute, day}), 1, 8).Draw(t, "Date is off by")
	return func(r simulator.Request) simulator.Fault {
		fault := failing(r)
		alter := fault.Alter
		fault.Alter = func(p *simulator.Listing) {
			if alter != nil {
				alter(p)
			}
			if early(r) {
				p.HasNext = false
			}
			if empty(r) {
				*p = simulator.Listing{HasNext: true}
			}
		}
		fault.Date = func(now time.Time) time.Time { return now.Add(off[r.N%len(off)]) }
		return fault
	}
}

// held is the size up to which an answer is held in memory. oversized is the size of an
// event beyond it.
const held = 128 << 10

func oversized(n int) simulator.Draft {
	id := fmt.Sprintf("oversized-%d", n)
	return simulator.Draft{ID: id, Created: time.Now(), Raw: fmt.Appendf(nil, `{"id":%q,"created_at":%q,"location":"%s"}`,
		id, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), strings.Repeat("x", held))}
}

// bubble runs f with a fake clock. rapid stops a run by a panic, which must not leave the
// bubble in the bubble's own goroutine.
func bubble(t *testing.T, f func()) {
	var stopped any
	synctest.Test(t, func(*testing.T) {
		defer func() { stopped = recover() }()
		f()
	})
	if stopped != nil {
		panic(stopped)
	}
}

func crashes(t *rapid.T, server *simulator.Server, s planetscale.Settings) {
	server.Script(wrong(t))
	f := follow(t, server, s)
	f.patience = 100_000
	f.source.HoldAtMost(held)
	f.restart = func() *planetscale.Source {
		src := newSource(t, server, s)
		src.HoldAtMost(held)
		return src
	}
	defer f.close()
	mayRepeat := map[string]bool{}
	mayTell := false        // a gap may be reported: a known event is gone
	var pages []source.Page // published, but not saved
	crash := func() {
		for _, p := range pages {
			for _, e := range p.Events {
				mayRepeat[e.ID] = true
			}
		}
		pages = nil
		f.crash()
	}
	read := func(d time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), d+between)
		defer cancel()
		if p, ok := f.page(ctx); ok {
			pages = append(pages, p)
		}
	}
	for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
		switch rapid.SampledFrom([]string{"read", "read", "read", "save", "save", "crash", "append", "tie", "late", "delete", "wait", "oversized", "purge"}).Draw(t, "step") {
		case "read":
			read(time.Minute)
		case "save":
			if n := len(pages); n > 0 {
				upTo := rapid.IntRange(1, n).Draw(t, "pages saved")
				f.save(pages[upTo-1])
				pages = pages[upTo:]
			}
		case "crash":
			crash()
		case "append":
			server.Append(rapid.IntRange(1, 400).Draw(t, "appended"))
		case "tie":
			server.AppendTied(rapid.IntRange(2, 250).Draw(t, "tied"))
		case "late":
			for range rapid.IntRange(1, 120).Draw(t, "late") {
				before := time.Duration(rapid.IntRange(0, 590).Draw(t, "seconds late")) * time.Second
				server.Insert(simulator.Draft{Created: time.Now().Add(-before)})
			}
		case "delete":
			if n := len(f.published); n > 0 {
				mayTell = server.Delete(f.published[n-1].ID) || mayTell
			}
		case "oversized":
			server.Insert(oversized(step))
		case "purge":
			crash()
			purgeBehind(t, f)
			mayTell = true
		case "wait":
			time.Sleep(time.Duration(rapid.IntRange(1, 1200).Draw(t, "seconds")) * time.Second)
		}
	}
	crash()
	server.Script(nil)
	f.run(10 * time.Minute)
	for e := range server.Ever() {
		n := f.seen[e.ID]
		if n == 0 && time.Since(e.Listed) > 16*time.Second && e.Gone.IsZero() {
			t.Fatalf("event %s of %s, listed %s, is lost", e.ID, e.Created, e.Listed)
		}
		if n > 1 && !mayRepeat[e.ID] {
			t.Fatalf("event %s of %s was delivered %d times without a crash", e.ID, e.Created, n)
		}
	}
	f.wantExpiredTold()
	if f.gaps() > 0 && !mayTell {
		t.Fatalf("got %d gaps in a log that was whole", f.gaps())
	}
	f.wantNoEndingBefore()
}

// purgeBehind lets the lane read, with its sink up or down, stops it, and purges the log
// beyond that place, long before retention.
func purgeBehind(t *rapid.T, f *follower) {
	f.server.Append(2)
	if rapid.Bool().Draw(t, "sink down") {
		f.list(3 * time.Minute)
	} else {
		f.run(3 * time.Minute)
	}
	f.crash()
	if d, err := f.source.Describe(f.saved); err != nil || d.Event.IsZero() && !bytes.Contains(f.saved, []byte(`"awaits":`)) {
		return // A lane that listed no event misses none: to it, a log that grew and was cut looks like a young one.
	}
	left := time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds left")) * time.Second
	for range 2 {
		time.Sleep(left/2 + time.Duration(rapid.IntRange(900, 7200).Draw(t, "seconds away"))*time.Second)
		f.server.Append(rapid.IntRange(0, 200).Draw(t, "appended"))
	}
	f.server.Purge(time.Now().Add(-left))
}

// TestCrashBehindEachPage stops a catch-up after each of its pages, also among events
// with the same time, and resumes from the position saved there.
func TestCrashBehindEachPage(t *testing.T) {
	for _, order := range orders {
		for _, buffer := range []setting.Size{0, 48 << 20} {
			if thinned() {
				continue
			}
			t.Run(name(order, " ", buffer), func(t *testing.T) {
				for saved := range 13 {
					synctest.Test(t, func(t *testing.T) {
						server := simulator.New(simulator.Config{Events: 700, Spacing: 5 * time.Second, Order: order})
						server.AppendTied(450)
						s := defaults
						s.WalkBuffer = buffer
						f := follow(t, server, s)
						defer f.close()
						for range saved {
							p, _ := f.page(t.Context())
							f.save(p)
						}
						f.crash()
						f.catchUp()
						f.wantAll(1)
						f.wantOldestFirst()
					})
				}
			})
		}
	}
}

func TestTieWithTheNewestEventOfAQuietLog(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 300}, func(t *testing.T, f *follower) {
		f.run(time.Hour)
		newest := f.published[len(f.published)-1]
		id := f.server.Insert(simulator.Draft{Created: newest.Time})
		f.run(time.Hour)
		if f.seen[id] != 1 {
			t.Errorf("the event was delivered %d times", f.seen[id])
		}
		f.wantAll(1)
	})
}
