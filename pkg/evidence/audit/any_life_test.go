package audit_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// change is what happens to an event of a log.
type change struct {
	kind  string
	event int           // place in the log
	count int           // of late events
	wait  time.Duration // after it
}

// plan is a life. It is drawn in advance, because a bubble cannot draw.
type plan struct {
	config  simulator.Config
	buffer  setting.Size
	exact   bool
	every   time.Duration
	changes []change
	kills   []int
	failing simulator.Script
	sealed  bool
	share   int // one in so many events is filtered, another rejected; 0: none
}

func drawPlan(t *rapid.T) plan {
	most, hours, often := 1200, 20, []time.Duration{6 * time.Hour, 24 * time.Hour}
	if testing.Short() {
		most, hours, often = 450, 6, often[:1]
	}
	p := plan{
		config: simulator.Config{
			Seed: rapid.Uint64().Draw(t, "seed"), Events: rapid.IntRange(400, most).Draw(t, "events"), Spacing: 11 * time.Minute,
			Rate:    rapid.SampledFrom([]float64{0, 1.0 / 900, 1.0 / 200}).Draw(t, "rate"),
			Order:   rapid.SampledFrom([]simulator.Order{simulator.NewestFirst, simulator.OldestFirst}).Draw(t, "order"),
			SortKey: rapid.SampledFrom([]simulator.SortKey{simulator.ByCreatedAt, simulator.ByInsertion}).Draw(t, "sort key"),
			Purged:  simulator.Purged(rapid.IntRange(0, 4).Draw(t, "purged")),
		},
		buffer: rapid.SampledFrom([]setting.Size{0, 20_000, 48 << 20}).Draw(t, "walk buffer"),
		exact:  rapid.Bool().Draw(t, "exactly once"),
		every:  rapid.SampledFrom(often).Draw(t, "every"),
		kills:  rapid.SliceOfN(rapid.IntRange(1, 120), 0, 12).Draw(t, "kills"),
		share:  rapid.SampledFrom([]int{0, 0, 5}).Draw(t, "of so many events one is filtered"),
	}
	p.sealed = rapid.Bool().Draw(t, "evidence")
	if rapid.Bool().Draw(t, "retention") {
		p.config.Retention = 8 * 24 * time.Hour
	}
	p.failing = drawFaults(t)
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		p.changes = append(p.changes, change{
			kind:  rapid.SampledFrom([]string{"late", "late", "gone", "altered", "soon", "burst", "tie", "ahead", "undecodable", "wait"}).Draw(t, "change"),
			event: rapid.IntRange(0, p.config.Events-1).Draw(t, "event"),
			count: rapid.IntRange(1, 3).Draw(t, "count"),
			wait:  time.Duration(rapid.IntRange(0, hours).Draw(t, "hours")) * time.Hour,
		})
	}
	return p
}

// drawFaults draws faults of answers: some fail, some end too early, some are empty, and some
// have a wrong Date.
func drawFaults(t *rapid.T) simulator.Script {
	share := rapid.SampledFrom([]float64{0, 0, 0.1}).Draw(t, "share of requests that fails")
	failing := simulator.Failing(rapid.Uint64().Draw(t, "failures"), share)
	every := func(what string) func(simulator.Request) bool {
		n := rapid.SampledFrom([]int{0, 0, 0, 5, 11}).Draw(t, what)
		return func(r simulator.Request) bool { return n > 0 && r.N%n == 0 }
	}
	early, empty := every("of so many answers one ends too early"), every("of so many answers one is empty")
	off := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{0, 0, -24 * time.Hour, -20 * time.Minute, 20 * time.Minute, 24 * time.Hour}), 1, 4).Draw(t, "Date is off by")
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

// live lives a plan. It returns what is wrong. It must be called in a bubble.
func (p plan) live() (wrong []string) {
	blame := func(text ...string) { wrong = append(wrong, strings.Join(text, " ")) }
	server := simulator.New(p.config)
	server.Script(p.failing)
	l := newLife(server)
	l.exact, l.every, l.settings.WalkBuffer = p.exact, p.every, p.buffer
	l.kills = slices.Clone(p.kills)
	if p.sealed {
		l.evidence = newWriter()
	}
	if p.share > 0 {
		l.filter = func(id string) bool { return int(id[0])%p.share == 0 }
		if !p.exact {
			l.reject = func(id string) bool { return int(id[1])%p.share == 1 && id[2]%4 == 0 }
		}
	}
	l.run(90 * time.Minute)
	// What is within the last hours, or so old that retention may take it, or in an hour of
	// which something is changed already, stays as it is.
	hours := map[int64]bool{}
	var late, gone, altered []string
	for i, c := range p.changes {
		all := eventsOf(server)
		e := all[min(c.event, len(all)-1)]
		hour, age := e.Created.Unix()/3600, time.Since(e.Created)
		calm := !hours[hour] && age > 3*time.Hour && age < 4*24*time.Hour && e.Created.Sub(all[0].Created) > 30*time.Hour
		calm = calm && len(e.Former) == 0
		if calm && (c.kind == "late" || c.kind == "gone" || c.kind == "altered") {
			hours[hour] = true
		}
		switch {
		case c.kind == "late" && calm:
			for range c.count {
				late = append(late, server.Insert(simulator.Draft{Created: e.Created.Truncate(time.Hour).Add(30 * time.Minute)}))
			}
		case c.kind == "gone" && calm:
			server.Delete(e.ID)
			gone = append(gone, vanished(e.ID))
		case c.kind == "altered" && calm:
			server.Change(e.ID, slices.Concat(e.Raw[:len(e.Raw)-1], []byte(`,"more":1}`)))
			altered = append(altered, "altered "+e.ID+" 1")
		case c.kind == "soon":
			server.Insert(simulator.Draft{Created: time.Now().Add(-time.Duration(c.count*9) * time.Minute)})
		case c.kind == "burst":
			server.Append(120)
		case c.kind == "tie":
			server.AppendTied(60)
		case c.kind == "ahead":
			server.Insert(simulator.Draft{Created: time.Now().Add(time.Duration(c.count) * 5 * time.Hour)})
		case c.kind == "undecodable":
			id := fmt.Sprintf("undecodable%d", i)
			server.Insert(simulator.Draft{ID: id, Raw: fmt.Appendf(nil, `{"id":%q,"created_at":12}`, id)})
		}
		l.run(c.wait)
	}
	l.run(2*p.every + 3*time.Hour)
	server.Script(nil)
	server.Append(1)
	l.run(2*p.every + 3*time.Hour)
	for _, fault := range l.faults {
		blame("fault:", fault.Error())
	}
	want := slices.Sorted(slices.Values(slices.Concat(gone, altered)))
	if got := l.findings(); !slices.Equal(got, want) {
		blame("told", strings.Join(got, ", "), "want", strings.Join(want, ", "))
	}
	settled := func(id string) int {
		if l.filter != nil && l.filter(id) {
			return 1
		}
		return l.got[id] + l.letters[id]
	}
	for _, id := range late {
		if settled(id) == 0 {
			blame("late event", id, "is lost")
		}
	}
	for e := range server.Visible() {
		if settled(e.ID) == 0 && time.Since(e.Listed) > time.Hour {
			blame("event", e.ID, "of", e.Created.String(), "is lost")
		}
		if n := l.got[e.ID]; n > 1 && (p.exact || len(p.kills) == 0) {
			blame("event", e.ID, "of", e.Created.String(), "was delivered again")
		}
	}
	if s := l.status(); s.Audits == nil || s.Audits.Last.From.IsZero() || s.Audits.Last.Truncated {
		blame("there was no audit")
	}
	return wrong
}

var most = flag.Int("lives", 12, "how many lives TestAnyLife draws, at most -rapid.checks; a campaign has 100 and another -rapid.seed")

// TestAnyLife lets a log do what a log may do, and loses the power at any step. Each late,
// deleted and altered event is found, and nothing else.
func TestAnyLife(t *testing.T) {
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == seed.DefValue { // Otherwise it differs from run to run.
		if err := seed.Value.Set("16"); err != nil {
			t.Fatal(err)
		}
	}
	lives := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		if lives++; lives > *most || testing.Short() && lives > 4 {
			return // A life takes a second, and ten with the race detector.
		}
		var wrong []string
		synctest.Test(t, func(*testing.T) { wrong = p.live() })
		if wrong != nil {
			rt.Fatal(strings.Join(wrong[:min(len(wrong), 12)], "\n"))
		}
	})
}
