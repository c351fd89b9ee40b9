package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// patient wants few large batches.
func patient(limits sink.Limits) *fakeSink {
	limits.Linger = time.Minute - 500*time.Millisecond // No event comes just then.
	return &fakeSink{limits: limits}
}

// lengths returns the number of records of each Publish.
func lengths(s *fakeSink) []int {
	var all []int
	for _, batch := range s.publishes() {
		all = append(all, len(batch))
	}
	return all
}

// ticking is a log in which an event appears each second, and is read within the next one.
func ticking(total int) *eventLog {
	return &eventLog{total: total, every: time.Second, poll: 100 * time.Millisecond}
}

func TestALaneWaitsForALargerBatch(t *testing.T) {
	t.Run("no longer than the sink allows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(ticking(1000), patient(sink.Limits{}))
			stop := start(b.Lane)
			pass(59 * time.Second)
			synctest.Wait()
			if got := lengths(b.sink); got != nil || b.stores.last() != 0 {
				t.Errorf("published %v and saved position %d, want nothing yet", got, b.stores.last())
			}
			pass(time.Second)
			if got, want := lengths(b.sink), []int{60}; !slices.Equal(got, want) || b.stores.last() != 60 {
				t.Errorf("published %v and saved position %d, want %v and 60", got, b.stores.last(), want)
			}
			pass(60 * time.Second)
			if got, want := lengths(b.sink), []int{60, 60}; !slices.Equal(got, want) {
				t.Errorf("published %v, want %v: each batch waits for as long as its first event", got, want)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	for name, limits := range map[string]sink.Limits{
		"until it has as many records as the sink takes": {Records: 10},
		"until it has as many bytes as the sink takes":   {Bytes: 10 * len(`{"n":0,"pad":""}`)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(ticking(10), patient(limits))
				stop := start(b.Lane)
				pass(9*time.Second + 500*time.Millisecond)
				if got, want := lengths(b.sink), []int{10}; !slices.Equal(got, want) {
					t.Errorf("published %v, want %v", got, want)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	t.Run("until the next page does not fit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 95, page: 10}, patient(sink.Limits{Records: 25}))
			stop := start(b.Lane)
			pass(time.Second)
			if got, want := lengths(b.sink), []int{20, 20, 20, 20}; !slices.Equal(got, want) {
				t.Errorf("published %v, want %v", got, want)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("until its queue is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 95, page: 10, size: 1000}, patient(sink.Limits{}))
			b.QueueBytes = 100 << 10
			stop := start(b.Lane)
			pass(time.Second)
			if got := len(b.sink.taken()); got < 50 {
				t.Errorf("%d events were published within a second, want most of them", got)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("and no longer if the batch before it took long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := patient(sink.Limits{})
			s.answer = func(ctx context.Context, _ int, _ []sink.Record) error {
				select {
				case <-time.After(50 * time.Second):
				case <-ctx.Done():
				}
				return ctx.Err()
			}
			b := newRig(ticking(1000), s)
			stop := start(b.Lane)
			pass(122 * time.Second)
			if got, want := lengths(b.sink), []int{60, 60}; !slices.Equal(got, want) {
				t.Errorf("published %v, want %v", got, want)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// What waits for a larger batch is published when the lane is told to stop.
func TestAStopPublishesWhatWaits(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30, large: map[int]bool{7: true}}, patient(sink.Limits{}))
			stop := start(b.Lane)
			pass(30 * time.Second)
			began := time.Now()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != 0 {
				t.Errorf("stopped after %s", got)
			}
			if diff := cmp.Diff(slices.Concat(ids(0, 7), ids(8, 30)), b.sink.taken()); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(ids(7, 8), b.stores.buried()); diff != "" || b.stores.last() != 30 {
				t.Errorf("saved position %d, want 30; dead letters (-want +got):\n%s", b.stores.last(), diff)
			}
		})
	})
	t.Run("within the time that a Publish has", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := patient(sink.Limits{})
			s.answer = func(ctx context.Context, _ int, _ []sink.Record) error { <-ctx.Done(); return ctx.Err() }
			b := newRig(&eventLog{total: 30}, s)
			stop := start(b.Lane)
			pass(30 * time.Second)
			began := time.Now()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(began), 8*time.Second; got != want || b.stores.last() != 0 {
				t.Errorf("stopped after %s at position %d, want %s at 0", got, b.stores.last(), want)
			}
		})
	})
	t.Run("also when somebody pauses the lane", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := &marker{}
			b := newRig(ticking(1000), patient(sink.Limits{}))
			one := member("a", b)
			one.Paused = m.paused
			set := &pipeline.Set{Log: b.Lane.Log}
			set.Put(one)
			set.Start(t.Context(), "a")
			pass(30 * time.Second)
			m.set(&pipeline.Pause{Since: since, By: "root@siem", Reason: "upgrade"}, nil)
			pass(5 * time.Second)
			if got := len(b.sink.taken()); got < 30 || b.stores.last() != got {
				t.Errorf("%d events are delivered and position %d saved, want all of the first half minute", got, b.stores.last())
			}
			set.End("a")
		})
	})
}

// With Once the lane has nothing to wait for once it has caught up.
func TestALaneThatHasCaughtUpDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 95, page: 10}, patient(sink.Limits{}))
		began := time.Now()
		b.catchUp(t)
		if got := time.Since(began); got != 0 {
			t.Errorf("caught up after %s", got)
		}
		if got, want := lengths(b.sink), []int{95}; !slices.Equal(got, want) || b.stores.last() != 95 {
			t.Errorf("published %v and saved position %d, want %v and 95", got, b.stores.last(), want)
		}
	})
}

// Waiting is no fault: the lane is ready, and its lag is the age of what waits.
func TestALaneThatWaitsForMoreIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goroutines := footprint.Goroutines()
		b := newRig(ticking(1), patient(sink.Limits{}))
		stop := start(b.Lane)
		for range 59 {
			pass(time.Second)
			if s := b.Status(); !s.Ready || s.Lag != time.Since(b.log.began) || s.Unsettled != 1 {
				t.Fatalf("ready %t (%s), lag %s with %d unsettled, want the lag of the one event", s.Ready, s.Reason, s.Lag, s.Unsettled)
			}
		}
		pass(2 * time.Second)
		synctest.Wait()
		if s := b.Status(); !s.Ready || s.Lag != 0 || s.Unsettled != 0 || s.Published != 1 {
			t.Errorf("ready %t (%s), lag %s with %d unsettled", s.Ready, s.Reason, s.Lag, s.Unsettled)
		}
		saved := b.stores.saves()
		pass(10*time.Minute + time.Second)
		synctest.Wait()
		if got, want := b.stores.saves()-saved, 10; got != want {
			t.Errorf("an idle lane saved %d positions in ten minutes, want %d", got, want)
		}
		if got := footprint.Goroutines() - goroutines; got > 1 {
			t.Errorf("an idle lane has %d goroutines, want one", got)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// A position without an event is saved before the next event is published, so it ends the
// waiting of the events before it, too.
func TestAPageWithoutEventsEndsTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *rig
		s := patient(sink.Limits{})
		s.answer = func(_ context.Context, _ int, batch []sink.Record) error {
			for i := range 30 {
				if got := b.stores.last(); batch[0].ID == id(i) && got != 100+i+10 {
					t.Errorf("event %d was published while position %d was saved, want %d", i, got, 100+i+10)
				}
			}
			return nil
		}
		b = newRig(&eventLog{total: 30}, s)
		b.Source = bareLog{b.log}
		b.catchUp(t)
		if diff := cmp.Diff(ids(0, 30), b.sink.taken()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}

// Lanes that wait for more do not keep others from their turn.
func TestALaneThatWaitsForMoreGivesWay(t *testing.T) {
	t.Run("to a lane that needs its turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			budget := memory.New(8 * memory.Turn) // four turns
			var stops []func() error
			var rigs []*rig
			for range 40 {
				b := newRig(&eventLog{total: 5}, patient(sink.Limits{}))
				b.Memory = budget.Share()
				rigs, stops = append(rigs, b), append(stops, start(b.Lane))
			}
			pass(time.Second)
			synctest.Wait()
			waiting := 0
			for i, b := range rigs {
				switch got := len(b.sink.taken()); got {
				case 0:
					waiting++
				case 5:
				default:
					t.Errorf("lane %d delivered %d events", i, got)
				}
			}
			if waiting == 0 || waiting > 4 || budget.Usage().Waiting > 0 {
				t.Errorf("%d lanes wait for more, want as many as there are turns: %+v", waiting, budget.Usage())
			}
			for _, stop := range stops {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}
			if got := budget.Usage(); got.Held != 0 || got.Waiting != 0 {
				t.Errorf("after the end: %+v", got)
			}
		})
	})
	t.Run("to its own next page if there is no memory for both", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			budget := memory.New(memory.Turn)
			b := newRig(&eventLog{total: 95, page: 10}, patient(sink.Limits{}))
			b.Memory = budget.Share()
			stop := start(b.Lane)
			pass(time.Second)
			synctest.Wait()
			if got := len(b.sink.taken()); got != 90 {
				t.Errorf("%d events were published within a second, want 90: all but those of the last page", got)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got := budget.Usage().Held; got != 0 || len(b.sink.taken()) != 95 {
				t.Errorf("%d bytes are held after the end, and %d events delivered", got, len(b.sink.taken()))
			}
		})
	})
}
