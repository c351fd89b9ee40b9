package pipeline_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// A lane that has delivered what there was is one goroutine, and holds no buffers.
func TestAnIdleLaneIsSmall(t *testing.T) {
	const lanes, events, size, most = 50, 200, 4 << 10, 16 << 10
	synctest.Test(t, func(t *testing.T) {
		goroutines, before := footprint.Goroutines(), footprint.Heap()
		var all [lanes]*rig
		for i := range all {
			b := newRig(&eventLog{total: events, size: size}, &fakeSink{})
			b.Lane.Open = func(context.Context) (sink.Sink, error) { return discard{}, nil }
			stop := start(b.Lane)
			defer func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}()
			all[i] = b
		}
		pass(time.Minute)
		synctest.Wait()
		for _, b := range all {
			if got := b.Status().Published; got != events {
				t.Fatalf("%d events were published, want %d", got, events)
			}
		}
		if got := footprint.Goroutines() - goroutines; got > lanes {
			t.Errorf("%d idle lanes have %d goroutines, want one each", lanes, got)
		}
		if held := (footprint.Heap() - before) / lanes; held > most {
			t.Errorf("an idle lane holds %d bytes, want at most %d", held, most)
		}
		runtime.KeepAlive(all)
	})
}

// wide is a log whose positions take a megabyte.
type wide struct{ *eventLog }

func (w wide) Open(source.Position, source.Env) (source.Reader, error) {
	return &wideReader{}, nil
}

func (w wide) Describe(source.Position) (source.Description, error) {
	return source.Description{}, nil
}

type wideReader struct{ read bool }

func (r *wideReader) Next(ctx context.Context) (source.Page, error) {
	if r.read {
		<-ctx.Done()
		return source.Page{}, ctx.Err()
	}
	r.read = true
	return source.Page{Next: make(source.Position, 1<<20), CaughtUp: true}, nil
}

func (r *wideReader) Progress() source.Progress { return source.Progress{CaughtUp: r.read} }

func (r *wideReader) Close() error { return nil }

// forgetful keeps no position.
type forgetful struct{}

func (forgetful) Load(context.Context, string) (source.Position, error) { return nil, nil }

func (forgetful) Save(context.Context, string, source.Position) error { return nil }

// The reader knows where the lane is. The lane need not hold the position as well.
func TestAnIdleLaneHoldsNoPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := footprint.Heap()
		b := newRig(&eventLog{}, &fakeSink{})
		b.Lane.Source, b.Lane.Positions = wide{b.log}, forgetful{}
		stop := start(b.Lane)
		pass(time.Minute)
		synctest.Wait()
		b.Status() // It describes the position.
		if held := footprint.Heap() - before; held > 1<<19 {
			t.Errorf("the lane holds %d bytes, so the position of a megabyte is among them", held)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
