package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
)

func TestStopping(t *testing.T) {
	t.Run("a Publish under way may finish, and is settled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30, page: 10}, &fakeSink{answer: func(ctx context.Context, n int, batch []sink.Record) error {
				pass(5 * time.Second)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return sink.BatchError{{Index: 3, Err: permanent("bad")}}
			}})
			stop := start(b.Lane)
			pass(time.Second)
			began := time.Now()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(began), 4*time.Second; got != want {
				t.Errorf("stopped after %s, want %s", got, want)
			}
			if got, want := len(b.sink.publishes()), 1; got != want {
				t.Fatalf("%d publishes, want %d: nothing new begins", got, want)
			}
			if diff := cmp.Diff(ids(3, 4), b.stores.buried()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			if got, want := b.stores.last(), len(b.sink.publishes()[0]); got != want {
				t.Errorf("saved position %d, want %d", got, want)
			}
			if got, want := b.sink.closings, 1; got != want {
				t.Errorf("sink closed %d times, want %d", got, want)
			}
		})
	})
	t.Run("the next run sends what a Publish did not finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{answer: func(ctx context.Context, _ int, _ []sink.Record) error {
				<-ctx.Done()
				return ctx.Err()
			}})
			stop := start(b.Lane)
			pass(time.Second)
			began := time.Now()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(began), 8*time.Second; got != want {
				t.Errorf("stopped after %s, want %s", got, want)
			}
			if got, want := b.stores.last(), 0; got != want {
				t.Errorf("saved position %d, want %d", got, want)
			}
			b.sink.answer = nil
			again := b.another()
			catchUp(t, again)
			if diff := cmp.Diff(ids(0, 30), b.sink.taken()); diff != "" {
				t.Errorf("delivered by the next run (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("the next run sends all of a batch that the sink took in part", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			b.sink.answer = func(_ context.Context, n int, batch []sink.Record) error {
				rest := batch
				if n == 1 {
					b.sink.takeBatch(batch[:10])
					rest = batch[10:]
				}
				var left sink.BatchError
				for i := range rest {
					left = append(left, sink.RecordError{Index: len(batch) - len(rest) + i, Err: errors.New("busy")})
				}
				return left
			}
			stop := start(b.Lane)
			pass(time.Second)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			b.sink.answer = nil
			catchUp(t, b.another())
			if diff := cmp.Diff(append(ids(0, 10), ids(0, 30)...), b.sink.taken()); diff != "" {
				t.Errorf("delivered by both runs (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a lane with nothing under way saves nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			stop := start(b.Lane)
			pass(30 * time.Second)
			synctest.Wait()
			before := len(b.stores.saved)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got := len(b.stores.saved); got != before || b.stores.last() != 30 {
				t.Errorf("saved %d positions, the last %d; want %d, the last 30", got, b.stores.last(), before)
			}
		})
	})
	t.Run("a Publish that ignores its context is abandoned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			stuck := &stuckSink{closed: make(chan struct{})}
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return stuck, nil }
			b.ShutdownTimeout = 3 * time.Second
			stop := start(b.Lane)
			pass(time.Second)
			began := time.Now()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got, want := time.Since(began), 4*time.Second; got != want {
				t.Errorf("stopped after %s, want %s", got, want)
			}
		})
	})
	t.Run("a commit under way may finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := &ledger{answer: func(ctx context.Context, n int, _ []sink.Record) error {
				if n > 1 { // The first call commits where the lane begins.
					pass(5 * time.Second)
				}
				return ctx.Err()
			}}
			stop := start(newExactRig(&eventLog{total: 30}, l).Lane)
			pass(time.Second)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if records, _ := l.committed(); len(records) == 0 || len(l.done) != len(l.steps) {
				t.Errorf("%d records were committed, in %d of %d steps; want all that began", len(records), len(l.done), len(l.steps))
			}
		})
	})
	t.Run("a position that the sink releases may be saved", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return releasing{b.sink}, nil }
			stop := start(b.Lane)
			pass(time.Second)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got, want := b.stores.last(), 7; got != want {
				t.Errorf("saved position %d, want %d", got, want)
			}
		})
	})
	for _, tt := range []struct {
		name, class string
		fail        func(*rig)
	}{
		{"publish", "publish", func(b *rig) { b.sink.answer = func(context.Context, int, []sink.Record) error { return errReset } }},
		{"save", "save", func(b *rig) { b.stores.saveErr = func() error { return errReset } }},
		{"bury", "bury", func(b *rig) {
			b.sink.answer = func(context.Context, int, []sink.Record) error { return permanent("bad") }
			b.stores.putErr = func() error { return errReset }
		}},
		{"commit", "publish", func(b *rig) {
			l := &ledger{answer: func(context.Context, int, []sink.Record) error { return errReset }}
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return l, nil }
		}},
		{"take", "take", func(b *rig) {
			l := &ledger{asked: func(context.Context, int) error { return errReset }}
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return l, nil }
		}},
		{"open", "open", func(b *rig) { b.Lane.Open = func(context.Context) (sink.Sink, error) { return nil, errReset } }},
	} {
		t.Run("back-off ends at once: "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(&eventLog{total: 3}, &fakeSink{})
				tt.fail(b)
				stop := start(b.Lane)
				pass(time.Hour)
				if s := b.Status(); s.Retries[tt.class] == 0 {
					t.Errorf("nothing failed: %v", s.Retries)
				}
				began := time.Now()
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(began); got != 0 {
					t.Errorf("stopped after %s, want at once", got)
				}
			})
		})
	}
	t.Run("a sink that does not close is abandoned and reported", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			open := make(chan struct{})
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return unclosable{b.sink, open}, nil }
			stop := start(b.Lane)
			pass(time.Second)
			began := time.Now()
			if err := stop(); err == nil || !strings.Contains(err.Error(), "close sink: it did not return") {
				t.Errorf("got error %v", err)
			}
			if got, want := time.Since(began), 5*time.Second; got != want {
				t.Errorf("stopped after %s, want %s", got, want)
			}
			close(open)
		})
	})
	t.Run("an error of closing the sink is returned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			open := make(chan struct{})
			close(open)
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return unclosable{b.sink, open}, nil }
			b.Once = true
			if err := b.Run(t.Context()); !errors.Is(err, errUnclosable) {
				t.Errorf("got error %v, want %v", err, errUnclosable)
			}
		})
	})
}

// releasing is a sink that takes five seconds to hand its position over.
type releasing struct{ *fakeSink }

func (releasing) Release(_ context.Context, keep func(pos []byte) error) error {
	pass(5 * time.Second)
	return keep([]byte("7"))
}

var errUnclosable = errors.New("sync: input/output error")

type unclosable struct {
	*fakeSink
	until chan struct{}
}

func (u unclosable) Close() error {
	<-u.until
	return errUnclosable
}

// A slow sink takes small batches, and the position is saved behind each. So a lane that is
// stopped again and again gets further, and repeats at most one batch.
func TestAStopRepeatsAtMostOneSmallBatch(t *testing.T) {
	const total, most = 300, 10
	for after := 250 * time.Millisecond; after < 30*time.Second; after += 1375 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			slow := &fakeSink{limits: sink.Limits{Records: most}}
			b := newRig(&eventLog{total: total, page: 1000}, slow)
			b.ShutdownTimeout = 500 * time.Millisecond
			slow.answer = func(ctx context.Context, _ int, batch []sink.Record) error {
				select {
				case <-time.After(time.Second):
					return nil
				case <-ctx.Done():
					slow.takeBatch(batch) // The outcome is unknown.
					return ctx.Err()
				}
			}
			stop := start(b.Lane)
			pass(after)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			before := len(slow.taken())
			if behind := before - b.stores.last(); behind < 0 || behind > most {
				t.Errorf("stopped after %s: %d were taken, and position %d was saved", after, before, b.stores.last())
			}
			catchUp(t, b.another())
			if got := slow.taken(); len(got) > total+most || len(slices.Compact(slices.Sorted(slices.Values(got)))) != total {
				t.Errorf("stopped after %s: %d events were delivered of %d", after, len(got), total)
			}
		})
	}
}
