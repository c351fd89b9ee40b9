package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/memory"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// turnLog is an eventLog whose readers hold a turn from their first page to their last
// one, as a walk does.
type turnLog struct{ *eventLog }

type turnReader struct {
	source.Reader
	memory source.Memory
	held   bool
}

func (l turnLog) Open(pos source.Position, env source.Env) (source.Reader, error) {
	r, err := l.eventLog.Open(pos, env)
	return &turnReader{Reader: r, memory: env.Memory}, err
}

func (r *turnReader) Next(ctx context.Context) (source.Page, error) {
	if !r.held {
		if err := r.memory.Enter(ctx); err != nil {
			return source.Page{}, err
		}
		r.held = true
	}
	p, err := r.Reader.Next(ctx)
	if err == nil && p.CaughtUp && len(p.Events) == 0 {
		r.memory.Leave()
		r.held = false
	}
	return p, err
}

func (r *turnReader) Close() error {
	if r.held {
		r.memory.Leave()
	}
	return r.Reader.Close()
}

// A budget of one turn serves many lanes, one after the other, although the sink of one is
// down. At the end nothing is held.
func TestOneTurnServesAllLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := memory.New(memory.Turn)
		var stops []func() error
		var rigs []*rig
		for i := range 5 {
			s := &fakeSink{}
			if i == 0 {
				s.answer = func(context.Context, int, []sink.Record) error { return errReset }
			}
			b := newRig(&eventLog{total: 95, size: 1000}, s)
			b.Source, b.Memory = turnLog{b.log}, budget.Share()
			rigs, stops = append(rigs, b), append(stops, start(b.Lane))
		}
		pass(10 * time.Minute)
		for i, b := range rigs {
			if got, want := len(b.sink.taken()), 95; i > 0 && got != want {
				t.Errorf("lane %d delivered %d events, want %d", i, got, want)
			}
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
}

// laggard takes a while for each event.
type laggard struct{}

func (laggard) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	time.Sleep(200 * time.Microsecond)
	return verbatim{}.Transform(dst, e)
}

// later asks for a pause, as a destination that is busy does.
type later struct{ error }

func (later) ErrorRetryAfter() time.Duration { return 2 * time.Minute }

// All lanes fail, give up their turns, and want them back in the same moment: reader and
// encoder of each at once. There is nothing to grow by.
func TestLanesThatRecoverTogetherGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lanes, events = 12, 500
		budget := memory.New(8 * memory.Turn)
		idle := budget.Share()
		for idle.Grow(64 << 10) {
		}
		began := time.Now()
		var rigs []*rig
		var stops []func() error
		for range lanes {
			s := &fakeSink{answer: func(context.Context, int, []sink.Record) error {
				time.Sleep(5 * time.Millisecond)
				if time.Since(began) < 5*time.Minute {
					return later{errReset}
				}
				return nil
			}}
			b := newRig(&eventLog{total: events, size: 1000}, s)
			b.Source, b.Transformer, b.Memory = turnLog{b.log}, laggard{}, budget.Share()
			rigs, stops = append(rigs, b), append(stops, start(b.Lane))
		}
		pass(time.Hour)
		for i, b := range rigs {
			if got := len(b.sink.taken()); got != events {
				t.Errorf("lane %d delivered %d of %d events: %+v", i, got, events, budget.Usage())
			}
		}
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		if got := budget.Usage(); got.Held != 4*memory.Turn || got.Waiting != 0 {
			t.Errorf("after the end: %+v, want what idle lanes hold", got)
		}
	})
}

// A Publish that hangs does not keep the only turn until its time is over.
func TestALaneThatHangsYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := memory.New(memory.Turn)
		hangs := newRig(&eventLog{total: 5}, &fakeSink{answer: func(ctx context.Context, _ int, _ []sink.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		hangs.Source, hangs.Memory, hangs.PublishTimeout = turnLog{hangs.log}, budget.Share(), time.Hour
		stopHung := start(hangs.Lane)
		pass(time.Second)
		other := newRig(&eventLog{total: 5}, &fakeSink{})
		other.Source, other.Memory = turnLog{other.log}, budget.Share()
		stop := start(other.Lane)
		pass(30 * time.Second)
		if got := len(other.sink.taken()); got != 5 {
			t.Errorf("beside a lane that hangs %d of 5 events were delivered", got)
		}
		if err := errors.Join(stop(), stopHung()); err != nil {
			t.Error(err)
		}
	})
}

// The position of a lane without events is saved without memory.
func TestAnIdleLaneSavesWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := memory.New(memory.Turn)
		b := newRig(&eventLog{total: 5}, &fakeSink{})
		b.Memory = budget.Share()
		stop := start(b.Lane)
		pass(time.Minute)
		if other := budget.Share(); !other.TryEnter() {
			t.Fatal("an idle lane has the only turn")
		}
		pass(10 * time.Minute)
		if got := b.Status(); !got.Ready || budget.Usage().Waiting != 0 {
			t.Errorf("an idle lane waits for memory: %q, %+v", got.Reason, budget.Usage())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// While there is memory, pages queue. Without any, they pass one by one.
func TestPagesQueueWhileThereIsMemory(t *testing.T) {
	for _, c := range []struct {
		name   string
		budget int64
		most   int64
	}{{"plenty", 64 << 20, 64 << 20}, {"a turn alone", memory.Turn, 70_000}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := memory.New(c.budget)
				b := newRig(&eventLog{total: 950, size: 1000}, &fakeSink{answer: func(context.Context, int, []sink.Record) error {
					pass(time.Second)
					return nil
				}})
				b.Memory = budget.Share()
				most := int64(0)
				stop := start(b.Lane)
				for range 950 {
					pass(100 * time.Millisecond)
					most = max(most, b.Status().QueuedBytes)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if got := len(b.sink.taken()); got != 950 {
					t.Errorf("delivered %d events, want 950", got)
				}
				if most > c.most || c.name == "plenty" && most < 500_000 {
					t.Errorf("at most %d bytes were queued, want at most %d, and many if there is memory", most, c.most)
				}
				if got := budget.Usage().Held; got != 0 {
					t.Errorf("%d bytes are held after the end", got)
				}
			})
		})
	}
}

// A lane that waits for its turn says so.
func TestALaneThatWaitsForMemoryIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := memory.New(memory.Turn)
		other := budget.Share()
		if err := other.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := newRig(&eventLog{total: 5}, &fakeSink{})
		b.Source, b.Memory = turnLog{b.log}, budget.Share()
		stop := start(b.Lane)
		pass(time.Minute)
		want := "read: nothing was read yet; it has been waiting for memory for 1m0s: raise memory in the configuration"
		if got := b.Status(); got.Ready || got.Reason != want {
			t.Errorf("got ready %t, %q, want %q", got.Ready, got.Reason, want)
		} else if len(got.Troubles) != 1 || !strings.HasPrefix(got.Troubles[0].Note, "it has been waiting for memory") {
			t.Errorf("troubles %+v, want one with a note about memory", got.Troubles)
		}
		// The lanes that have it may wait themselves, which more memory does not change.
		b.log.held = "requests wait for their turn"
		want = "read: nothing was read yet; it has been waiting for memory for 1m0s, which other lanes have while their requests are held back; requests wait for their turn"
		if got := b.Status(); got.Reason != want {
			t.Errorf("got %q, want %q", got.Reason, want)
		}
		b.log.held = ""
		other.Leave()
		pass(time.Minute)
		if got := b.Status(); !got.Ready || len(b.sink.taken()) != 5 {
			t.Errorf("got ready %t, %q", got.Ready, got.Reason)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}
