package console_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// fleet is a set of lanes whose states a test sets.
type fleet struct {
	mu    sync.Mutex
	lanes []pipeline.Status
}

func (f *fleet) statuses() []pipeline.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]pipeline.Status(nil), f.lanes...)
}

func (f *fleet) set(lanes ...pipeline.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lanes = lanes
}

// lane returns the status of a lane that settled so many events.
func lane(name string, ready bool, settled uint64, lag time.Duration) pipeline.Status {
	s := pipeline.Status{Lane: name, Ready: ready, Lag: lag}
	s.Published = settled / 3
	s.Filtered = settled / 3
	s.Rejected = settled - s.Published - s.Filtered
	return s
}

// remembering runs a history of a fleet in a bubble.
func remembering(t *testing.T, check func(t *testing.T, f *fleet, h *console.History)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		h := console.NewHistory(f.statuses)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		time.Sleep(30 * time.Second) // Samples are then between the minutes.
		check(t, f, h)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestHistoryRemembersADay(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		began := time.Now()
		for i := range 150 { // ten minutes each
			f.set(lane("acme/siem", i != 140, uint64(i+1)*600, time.Duration(i)*time.Second))
			time.Sleep(9 * time.Minute)
			f.set(lane("acme/siem", true, uint64(i+1)*600, 0))
			time.Sleep(time.Minute)
		}
		points, end := h.Lane("acme/siem")
		if want := began.Add(150*console.Every + console.Every - 30*time.Second); !end.Equal(want) {
			t.Errorf("the last point ends at %s, want %s", end, want)
		}
		// The last point has begun 30 s ago, and the one before is that of i = 149.
		for k, p := range points[:console.Points-1] {
			i := k + 150 - console.Points + 1
			want := console.Point{Known: true, Settled: 600, Lag: time.Duration(i) * time.Second, Unready: i == 140}
			if p != want {
				t.Errorf("point %d is %+v, want %+v", i, p, want)
			}
		}
		if got := h.Started(); !got.Equal(began.Add(-30 * time.Second)) {
			t.Errorf("it remembers since %s, want since %s", got, began)
		}
	})
}

func TestHistoryTellsWhatItDoesNotKnow(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		f.set(lane("acme/siem", true, 0, 0))
		time.Sleep(25 * time.Minute)
		points, _ := h.Lane("acme/siem")
		for i, p := range points {
			if want := i >= console.Points-3; p.Known != want {
				t.Errorf("point %d is known: %t, want %t", i, p.Known, want)
			}
		}
		if points, end := h.Lane("other/siem"); points != [console.Points]console.Point{} || end.IsZero() {
			t.Errorf("a lane that there is not has the points %v until %s", points, end)
		}
		if _, known := h.Rate("other/siem"); known {
			t.Error("the rate of a lane that there is not is known")
		}
	})
}

func TestHistoryRate(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		f.set(lane("acme/siem", true, 0, 0))
		time.Sleep(5 * time.Minute)
		for i := range 10 {
			f.set(lane("acme/siem", true, uint64(i+1)*120, 0))
			time.Sleep(time.Minute)
		}
		if rate, known := h.Rate("acme/siem"); !known || rate < 1.99 || rate > 2.01 {
			t.Errorf("rate %f, known %t, want 2 a second", rate, known)
		}
		time.Sleep(time.Minute)
		if rate, known := h.Rate("acme/siem"); !known || rate != 0 {
			t.Errorf("rate %f, known %t, want 0 after a minute without events", rate, known)
		}
		f.set(lane("acme/siem", true, 60, 0)) // built anew: its counters begin again
		time.Sleep(time.Minute)
		if rate, known := h.Rate("acme/siem"); !known || rate < 0.99 || rate > 1.01 {
			t.Errorf("rate %f, known %t, want 1 a second for a lane that was built anew", rate, known)
		}
	})
}

// People wait for the first rate.
func TestHistoryKnowsARateSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		f.set(lane("acme/siem", true, 0, 0))
		h := console.NewHistory(f.statuses)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		synctest.Wait()
		f.set(lane("acme/siem", true, 100, 0))
		time.Sleep(1100 * time.Millisecond)
		if rate, known := h.Rate("acme/siem"); !known || rate < 99 || rate > 101 {
			t.Errorf("rate %f, known %t, want 100 a second after a second", rate, known)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestHistoryState(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		well, ill := lane("acme/siem", true, 0, 0), lane("acme/siem", false, 0, 0)
		f.set(well)
		time.Sleep(time.Hour)
		f.set(ill)
		if got, _ := h.State(&ill); !got.IsZero() {
			t.Errorf("a lane that changed since the last sample is so since %s, want unknown", got)
		}
		changed := time.Now()
		time.Sleep(time.Hour)
		if got, _ := h.State(&ill); got.Before(changed) || got.After(changed.Add(time.Minute)) {
			t.Errorf("not ready since %s, want %s or up to a minute later", got, changed)
		}
	})
}

// A lane that catches up is ready all the time, and its state changes when it has.
func TestHistoryFollowsACatchUp(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		catching, well := lane("acme/siem", true, 0, 0), lane("acme/siem", true, 0, 0)
		catching.CatchingUp, catching.Unsettled = true, 500
		f.set(catching)
		began := time.Now()
		time.Sleep(time.Hour)
		f.set(well)
		changed := time.Now()
		time.Sleep(time.Hour)
		state, ready := h.State(&well)
		if state.Before(changed) || state.After(changed.Add(time.Minute)) {
			t.Errorf("caught up since %s, want %s or up to a minute later", state, changed)
		}
		if ready.After(began.Add(time.Minute)) {
			t.Errorf("ready since %s, want since %s", ready, began)
		}
	})
}

func TestHistoryCountsWhatWasSettledSinceTheLastSample(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		f.set(lane("acme/siem", true, 100, 0))
		time.Sleep(5 * time.Minute)
		now, anew := lane("acme/siem", true, 160, 0), lane("acme/siem", true, 7, 0)
		if got := h.SettledSince(&now); got != 60 {
			t.Errorf("got %d events since the last sample, want 60", got)
		}
		if got := h.SettledSince(&anew); got != 7 {
			t.Errorf("a lane that was built anew: got %d events, want 7", got)
		}
	})
}

func TestHistoryOfALaneOfAnotherReplica(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		f.set(lane("acme/siem", true, 1000, 0))
		time.Sleep(10 * time.Minute)
		f.set(pipeline.Status{Lane: "acme/siem", Elsewhere: true})
		time.Sleep(30 * time.Minute)
		points, _ := h.Lane("acme/siem")
		if p := points[console.Points-2]; p.Known {
			t.Errorf("point %+v of a lane that another replica runs", p)
		}
		if _, known := h.Rate("acme/siem"); known {
			t.Error("the rate of a lane that another replica runs is known")
		}
		f.set(lane("acme/siem", true, 1030, 0)) // It comes back, with its counters.
		time.Sleep(10 * time.Minute)
		points, _ = h.Lane("acme/siem")
		if p := points[console.Points-2]; p.Settled != 30 {
			t.Errorf("a lane that came back settled %d events, want 30", p.Settled)
		}
	})
}

func TestHistoryForgetsLanesThatAreGone(t *testing.T) {
	remembering(t, func(t *testing.T, f *fleet, h *console.History) {
		f.set(lane("acme/siem", true, 1, 0), lane("acme/old", true, 1, 0))
		time.Sleep(2 * time.Minute)
		f.set(lane("acme/siem", true, 1, 0))
		time.Sleep(2 * time.Minute)
		if points, _ := h.Lane("acme/old"); points != [console.Points]console.Point{} {
			t.Error("a lane that is gone has points")
		}
		if points, _ := h.Lane("acme/siem"); points == [console.Points]console.Point{} {
			t.Error("the lane that stayed has no points")
		}
	})
}

// There may be 3,000 lanes.
func TestHistoryIsSmall(t *testing.T) {
	const lanes, most = 3000, 4 << 20
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		for i := range lanes {
			f.lanes = append(f.lanes, lane(fmt.Sprintf("source%d/siem", i), true, 1, 0))
		}
		before := footprint.Heap()
		h := console.NewHistory(f.statuses)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		time.Sleep(time.Hour)
		if held := footprint.Heap() - before; held > most {
			t.Errorf("%d lanes hold %d bytes, want at most %d", lanes, held, most)
		} else {
			t.Logf("%d lanes hold %d bytes", lanes, held)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkHistorySample(b *testing.B) {
	f := &fleet{}
	for i := range 3000 {
		f.lanes = append(f.lanes, lane(fmt.Sprintf("source%d/siem", i), true, 1, 0))
	}
	h := console.NewHistory(f.statuses)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	for b.Loop() { // Run samples once before it looks at ctx.
		if err := h.Run(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
