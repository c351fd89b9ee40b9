package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// marker is what says whether a lane is paused.
type marker struct {
	mu    sync.Mutex
	pause *pipeline.Pause
	err   error
}

func (m *marker) set(p *pipeline.Pause, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pause, m.err = p, err
}

func (m *marker) paused(context.Context, bool) (*pipeline.Pause, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pause, m.err
}

// pausable is a set with one lane of a log with an event a minute.
func pausable(m *marker) (*pipeline.Set, *rig) {
	b := newRig(&eventLog{total: 1000, every: time.Minute}, &fakeSink{})
	one := member("a", b)
	one.Paused = m.paused
	set := &pipeline.Set{Log: b.Lane.Log}
	set.Put(one)
	return set, b
}

var since = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

func TestAPausedLaneEndsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &marker{}
		set, b := pausable(m)
		set.Start(t.Context(), "a")
		pass(10*time.Minute + 30*time.Second)
		m.set(&pipeline.Pause{Since: since, By: "root@siem", Reason: "upgrade"}, nil)
		pass(time.Hour)
		if diff := cmp.Diff(ids(0, 11), b.sink.taken()); diff != "" {
			t.Errorf("delivered before and while it was paused (-want +got):\n%s", diff)
		}
		s := statusOf(t, set, "a")
		if s.Ready || s.Paused == nil || len(s.Troubles) != 0 || s.Reason != "paused since 2026-12-01T08:00:00Z by root@siem: upgrade" {
			t.Errorf("while it is paused: ready %t, paused %v, reason %q, troubles %v", s.Ready, s.Paused, s.Reason, s.Troubles)
		}
		if b.sink.closings != 1 {
			t.Errorf("its sink was closed %d times, want once", b.sink.closings)
		}
		m.set(nil, nil)
		pass(2 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff(ids(0, 71), b.sink.taken()); diff != "" {
			t.Errorf("delivered once it was resumed (-want +got):\n%s", diff)
		}
		if s := statusOf(t, set, "a"); !s.Ready || s.Paused != nil {
			t.Errorf("once it was resumed: ready %t, paused %v: %s", s.Ready, s.Paused, s.Reason)
		}
	})
}

// The Publish under way is settled before the lane ends.
func TestAPausedLaneSettlesThePublishUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &marker{}
		set, b := pausable(m)
		b.sink.answer = func(context.Context, int, []sink.Record) error { pass(5 * time.Second); return nil }
		set.Start(t.Context(), "a")
		pass(time.Second)
		m.set(&pipeline.Pause{Since: since}, nil)
		pass(time.Minute)
		if got := b.sink.taken(); len(got) != 1 || len(b.stores.saved) == 0 || b.stores.saved[len(b.stores.saved)-1] != "1" {
			t.Errorf("delivered %v, saved %v, want the first event and the position behind it", got, b.stores.saved)
		}
	})
}

// A lane does not start before it is known whether it is paused, and a lane that runs goes
// on while nobody can say it.
func TestALaneDoesNotStartBeforeItIsKnownWhetherItIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &marker{err: sink.Hint(errors.New("pauses cannot be read"), "ask the broker")}
		set, b := pausable(m)
		set.Start(t.Context(), "a")
		pass(5*time.Minute + time.Second)
		if got := b.sink.taken(); len(got) != 0 {
			t.Errorf("it delivered %v", got)
		}
		if s := statusOf(t, set, "a"); s.Ready || s.Paused != nil || !strings.Contains(s.Reason, "not known whether the lane is paused: pauses cannot be read; hint: ask the broker") {
			t.Errorf("ready %t, paused %v, reason %q", s.Ready, s.Paused, s.Reason)
		}
		m.set(nil, nil)
		pass(2 * time.Second)
		m.set(nil, errors.New("pauses cannot be read"))
		pass(5 * time.Minute)
		synctest.Wait()
		if got := len(b.sink.taken()); got != 11 {
			t.Errorf("%d events were delivered, want 11", got)
		}
	})
}

// A pause that cannot be read holds, and is a trouble.
func TestAnUnreadablePauseHoldsAndIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &marker{pause: &pipeline.Pause{Err: sink.Hint(errors.New("it is corrupt"), "pause it again")}}
		set, b := pausable(m)
		set.Start(t.Context(), "a")
		pass(time.Minute)
		s := statusOf(t, set, "a")
		if s.Ready || s.Paused == nil || len(s.Troubles) != 1 || s.Reason != "paused; paused: it is corrupt; hint: pause it again" || len(b.sink.taken()) != 0 {
			t.Errorf("ready %t, reason %q, delivered %v", s.Ready, s.Reason, b.sink.taken())
		}
	})
}

// The status of a paused lane that was never built has its position, and says when the log
// begins to forget what waits.
func TestAPausedLaneSaysWhenWaitingLosesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 1}, &fakeSink{})
		one, m := member("a", b), &marker{pause: &pipeline.Pause{Since: since}}
		began := time.Now()
		expires, failed := began.Add(time.Hour), errors.New("broker down")
		one.Paused = m.paused
		one.Describe = func(context.Context) (source.Description, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return source.Description{Expires: expires, Event: began}, failed
		}
		set := &pipeline.Set{}
		set.Put(one)
		set.Start(t.Context(), "a")
		pass(time.Second)
		if s := statusOf(t, set, "a"); !s.Unplaced || len(s.Troubles) != 1 {
			t.Errorf("while its position is not known: %+v", s)
		}
		m.mu.Lock()
		failed = nil
		m.mu.Unlock()
		pass(2 * time.Minute)
		if s := statusOf(t, set, "a"); s.Unplaced || !s.Position.Expires.Equal(expires) || len(s.Troubles) != 0 || s.Lag != 2*time.Minute+time.Second {
			t.Errorf("once its position is known: %+v", s)
		}
		pass(time.Hour)
		if s := statusOf(t, set, "a"); len(s.Troubles) != 1 || !strings.Contains(s.Reason, "the log forgets events that wait") {
			t.Errorf("after the log began to forget: %q", s.Reason)
		}
	})
}

func TestOnceAPausedLaneIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		once := &pipeline.Set{Once: true}
		one, m := member("a", b), &marker{pause: &pipeline.Pause{Since: since, By: "root@siem"}}
		one.Paused = m.paused
		once.Put(one)
		err := once.Run(t.Context())
		if err == nil || err.Error() != "lane a: it is paused since 2026-12-01T08:00:00Z by root@siem" || len(b.sink.taken()) != 0 {
			t.Errorf("got %v, delivered %v", err, b.sink.taken())
		}
	})
}

// A paused lane is ended and replaced like any other.
func TestAPausedLaneEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &marker{pause: &pipeline.Pause{Since: since}}
		set, b := pausable(m)
		set.Start(t.Context(), "a")
		pass(time.Minute)
		began := time.Now()
		set.End("a")
		if took := time.Since(began); took != 0 {
			t.Errorf("it ended after %s, want at once", took)
		}
		next := member("a", b)
		next.Paused = m.paused
		set.Put(next)
		set.Start(t.Context(), "a")
		pass(time.Minute)
		if got := b.sink.taken(); len(got) != 0 {
			t.Errorf("the lane in its place delivered %v", got)
		}
		if n := slices.IndexFunc(set.Statuses(), func(s pipeline.Status) bool { return s.Paused != nil }); n != 0 {
			t.Error("the lane in its place is not paused")
		}
	})
}
