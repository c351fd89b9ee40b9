package pipeline_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
)

func drawPlan(t *rapid.T) plan {
	some := func(name string, events int) map[int]bool {
		set := map[int]bool{}
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, events-1), 0, 5).Draw(t, name) {
			set[n] = true
		}
		return set
	}
	fate := rapid.SliceOfN(rapid.IntRange(0, 2), 0, 8)
	p := plan{
		events: rapid.IntRange(1, 60).Draw(t, "events"),
		page:   rapid.IntRange(1, 12).Draw(t, "page"),
		limits: sink.Limits{
			Records:     rapid.IntRange(1, 30).Draw(t, "records"),
			Bytes:       rapid.IntRange(1, 600).Draw(t, "bytes"),
			OldestEvent: rapid.SampledFrom([]time.Duration{0, 0, 300 * time.Millisecond, time.Hour}).Draw(t, "oldest event"),
			Linger:      rapid.SampledFrom([]time.Duration{0, 25 * time.Millisecond, time.Minute}).Draw(t, "linger"),
		},
		buryOld: rapid.Bool().Draw(t, "bury old"),
		queue:   rapid.Int64Range(1, 3000).Draw(t, "queue"),
		answers: rapid.SliceOfN(rapid.Map(rapid.IntRange(0, int(answersInTotal)-1), func(i int) answer { return answer(i) }), 0, 40).Draw(t, "answers"),
		saves:   fate.Draw(t, "saves"),
		puts:    fate.Draw(t, "puts"),
		reads:   rapid.SliceOfN(rapid.Bool(), 0, 8).Draw(t, "reads"),
		kills:   rapid.SliceOfN(rapid.IntRange(1, 60), 0, 6).Draw(t, "kills"),
	}
	p.bad, p.unable = some("bad", p.events), some("unable", p.events)
	if p.maxRejects = rapid.IntRange(0, 3).Draw(t, "max rejects"); p.maxRejects > 0 {
		first := rapid.IntRange(0, p.events-1).Draw(t, "first of a row of bad records")
		for n := range p.maxRejects + 2 {
			p.bad[min(first+n, p.events-1)] = true
		}
	}
	return p
}

// A lane loses its power at any step of any life, while sink, source and stores behave in
// any way. Nothing is lost, no good record is buried, the order is kept, and no position
// is ever ahead of what is settled.
func TestAnyLifeDeliversEverything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		var w *world
		synctest.Test(t, func(*testing.T) { w = p.live() })
		if len(w.violations) > 0 {
			rt.Fatal(strings.Join(w.violations, "\n"))
		}
	})
}

// The same holds for one eventful life that is killed once at each of its steps.
func TestPowerLossAtEveryStep(t *testing.T) {
	eventful := plan{
		events: 30, page: 5, limits: sink.Limits{Records: 8, Bytes: 1000}, queue: 500,
		answers: []answer{
			accepts, failsAfter, namesSome, refusesBatch, refusesBatch, refusesBatch, namesTwice,
			hangsTaken, returnsLate, namesBeyond, namesNone, accepts, failsBefore, hangs,
		},
		bad: map[int]bool{3: true, 11: true, 12: true}, unable: map[int]bool{7: true, 29: true},
		saves: []int{0, 1, 2}, puts: []int{2, 1}, reads: []bool{false, true},
	}
	t.Run("while the lane trusts the sink", func(t *testing.T) { loseThePowerAtEachStep(t, eventful) })
	eventful.maxRejects = 1
	t.Run("with records that make it distrust the sink", func(t *testing.T) { loseThePowerAtEachStep(t, eventful) })
	eventful.maxRejects, eventful.limits.Linger, eventful.queue = 0, 70*time.Millisecond, 50_000
	t.Run("while it waits for larger batches", func(t *testing.T) { loseThePowerAtEachStep(t, eventful) })
	eventful.limits.Linger, eventful.limits.OldestEvent, eventful.buryOld = 0, 20*time.Second, true
	t.Run("while events become too old for the sink", func(t *testing.T) { loseThePowerAtEachStep(t, eventful) })
}

func loseThePowerAtEachStep(t *testing.T, eventful plan) {
	t.Helper()
	var whole *world
	synctest.Test(t, func(*testing.T) { whole = eventful.live() })
	if whole.steps < 50 {
		t.Fatalf("the life has only %d steps, too few for this test", whole.steps)
	}
	for kill := 1; kill <= whole.steps; kill++ {
		eventful.kills = []int{kill}
		var w *world
		synctest.Test(t, func(*testing.T) { w = eventful.live() })
		if len(w.violations) > 0 {
			t.Errorf("killed at step %d:\n%s", kill, strings.Join(w.violations, "\n"))
		}
	}
}
