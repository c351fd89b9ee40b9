package pipeline_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// lived runs a vault through its epochs, in its own bubble.
func lived(t *testing.T, p plan, outcomes []outcome, epochs []epoch) (v *vault) {
	synctest.Test(t, func(*testing.T) {
		v = newVault(p, outcomes)
		v.live(epochs)
	})
	return v
}

// A sink keeps the position and takes it in the same step as records. Whatever it
// answers, whoever sets the position, and whenever the power fails, its position matches
// what it has committed, each event once.
func TestAPositionThatASinkKeepsIsWhatItCommitted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		outcomes := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, int(outcomesInTotal)-1), func(i int) outcome { return outcome(i) }), 0, 40).Draw(rt, "outcomes")
		var epochs []epoch
		for _, kill := range p.kills {
			epochs = append(epochs, epoch{exact: true, events: p.events, kill: kill})
		}
		v := lived(t, p, outcomes, append(epochs, epoch{exact: true, events: p.events}))
		if len(v.violations) > 0 {
			rt.Fatal(strings.Join(v.violations, "\n"))
		}
	})
}

// The same holds for one eventful life that is killed once at each of its steps.
func TestPowerLossAtEveryStepOfCommitting(t *testing.T) {
	p := plan{
		events: 40, page: 5, limits: sink.Limits{Records: 8, Bytes: 1000}, queue: 500,
		bad: map[int]bool{3: true, 11: true, 12: true}, unable: map[int]bool{7: true, 29: true},
		reads: []bool{false, true},
	}
	outcomes := []outcome{
		unclearDone, commits, commits, unclearLost, unclearDone, namesNothing, busy, namesOneTwice, hangsDone,
		setBack, commits, hangsLost, namesNobody, commits, setOn, unclearLost, unclearLost, commits,
	}
	t.Run("while the lane trusts the sink", func(t *testing.T) {
		killAtEachStep(t, p, outcomes, []epoch{{exact: true, events: 40}}, 0)
	})
	t.Run("while the lane waits for larger batches", func(t *testing.T) {
		waits := p
		waits.limits.Linger, waits.queue = 70*time.Millisecond, 50_000
		killAtEachStep(t, waits, outcomes, []epoch{{exact: true, events: 40}}, 0)
	})
	t.Run("while events become too old for the sink", func(t *testing.T) {
		old := p
		old.limits.OldestEvent, old.buryOld = 400*time.Millisecond, true
		killAtEachStep(t, old, outcomes, []epoch{{exact: true, events: 40}}, 0)
	})
	p.maxRejects, p.unable[10] = 1, true // in one transaction with records that make the lane distrust the sink
	t.Run("with records that make it distrust the sink", func(t *testing.T) {
		killAtEachStep(t, p, outcomes, []epoch{{exact: true, events: 40}}, 0)
	})
}

// From one run to the next, a sink begins or ceases to keep the position, while events
// arrive. Each epoch is killed once at each of its steps, those of carrying the position
// over included.
func TestAPositionIsCarriedOver(t *testing.T) {
	p := plan{events: 50, page: 4, limits: sink.Limits{Records: 8, Bytes: 1000}, queue: 500}
	var epochs []epoch
	for i := range 5 {
		epochs = append(epochs, epoch{exact: i%2 == 1, events: 10 * (i + 1)})
	}
	if v := lived(t, p, nil, epochs); v.carried != 4 {
		t.Errorf("the position was carried over %d times, want 4", v.carried)
	}
	for i := range epochs {
		killAtEachStep(t, p, nil, epochs, i)
	}
}

// killAtEachStep cuts the power at each step of one of the epochs, which is then run
// again.
func killAtEachStep(t *testing.T, p plan, outcomes []outcome, epochs []epoch, which int) {
	t.Helper()
	whole := lived(t, p, outcomes, epochs[:which+1:which+1])
	if whole.steps < 6 {
		t.Fatalf("epoch %d has only %d steps, too few for this test", which, whole.steps)
	}
	for kill := range whole.steps + 1 {
		killed := epochs[which]
		killed.kill = kill
		all := append(append(epochs[:which:which], killed), epochs[which:]...)
		if v := lived(t, p, outcomes, all); len(v.violations) > 0 {
			t.Errorf("epoch %d killed at step %d:\n%s", which, kill, strings.Join(v.violations, "\n"))
		}
	}
}
