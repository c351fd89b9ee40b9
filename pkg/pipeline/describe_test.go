package pipeline_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// described is a log that counts how often its positions are described.
type described struct {
	*eventLog
	times atomic.Int32
	err   error
}

func (d *described) Describe(pos source.Position) (source.Description, error) {
	d.times.Add(1)
	if d.err != nil {
		return source.Description{}, d.err
	}
	return d.eventLog.Describe(pos)
}

// Positions are large, and probes and scrapes are frequent.
func TestAPositionIsDescribedOnceHoweverOftenTheStatusIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &described{eventLog: &eventLog{total: 10, every: time.Minute}}
		b := newRig(log.eventLog, &fakeSink{})
		b.Source = log
		stop := start(b.Lane)
		pass(5*time.Minute + 30*time.Second)
		synctest.Wait()
		before := log.times.Load()
		for range 1000 {
			if got, want := b.Status().Position.Event, b.log.time(5); !got.Equal(want) {
				t.Fatalf("the checkpoint's event is of %s, want %s", got, want)
			}
		}
		if got := log.times.Load() - before; got != 0 {
			t.Errorf("a position was described %d times for 1000 snapshots, want none", got)
		}
		pass(time.Minute) // another position is saved meanwhile
		synctest.Wait()
		if got, want := b.Status().Position.Event, b.log.time(6); !got.Equal(want) {
			t.Errorf("the checkpoint's event is of %s, want %s", got, want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// A lane that catches up saves many positions a second, and describes few of them. Its
// status still describes the newest.
func TestFewPositionsAreDescribedWhileManyAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &described{eventLog: &eventLog{total: 10_000}}
		b := newRig(log.eventLog, &fakeSink{limits: sink.Limits{Records: 10}})
		b.Source = log
		b.catchUp(t)
		if got, want := b.Status().Position.Event, b.log.time(9_999); !got.Equal(want) {
			t.Errorf("the checkpoint's event is of %s, want %s", got, want)
		}
		if got := log.times.Load(); got > 3 {
			t.Errorf("%d of 1000 positions were described within no time, want at most 3", got)
		}
	})
}

func TestAPositionThatCannotBeDescribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &described{eventLog: &eventLog{total: 10}, err: errors.New("a field is missing")}
		b := newRig(log.eventLog, &fakeSink{})
		b.Source = log
		stop := start(b.Lane)
		pass(time.Second)
		synctest.Wait()
		for range 2 {
			if s := b.Status(); s.Ready || !strings.Contains(s.Reason, "describe checkpoint: a field is missing") {
				t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}
