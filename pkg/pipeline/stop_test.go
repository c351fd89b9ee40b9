package pipeline_test

import (
	"context"
	"errors"
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
				t.Errorf("%d publishes, want %d: nothing new begins", got, want)
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
	t.Run("a Publish that does not finish is left to the next run", func(t *testing.T) {
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
	t.Run("back-off ends at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 30}, &fakeSink{answer: func(context.Context, int, []sink.Record) error { return errReset }})
			stop := start(b.Lane)
			pass(time.Hour)
			began := time.Now()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != 0 {
				t.Errorf("stopped after %s, want at once", got)
			}
		})
	})
	t.Run("a sink that does not close is left behind and told of", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			open := make(chan struct{})
			b := newRig(&eventLog{total: 30}, &fakeSink{})
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return unclosable{b.sink, open}, nil }
			stop := start(b.Lane)
			pass(time.Second)
			if err := stop(); err == nil || !strings.Contains(err.Error(), "close sink: it did not return") {
				t.Errorf("got error %v", err)
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

var errUnclosable = errors.New("sync: input/output error")

type unclosable struct {
	*fakeSink
	until chan struct{}
}

func (u unclosable) Close() error {
	<-u.until
	return errUnclosable
}
