package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// member returns a rig's lane as a member of a set.
func member(name string, b *rig) pipeline.Member {
	b.Lane.Name = name
	return pipeline.Member{
		Lane: name, Source: "acme", Sink: name, Format: "raw",
		Build: func(context.Context) (*pipeline.Lane, error) { return b.Lane, nil },
	}
}

var unusable = sink.Hint(fmt.Errorf("acme+b.json: %w", source.ErrUnusable), "restore the file")

// statusOf returns the status of one lane of a set.
func statusOf(t *testing.T, set *pipeline.Set, name string) pipeline.Status {
	t.Helper()
	for _, s := range set.Statuses() {
		if s.Lane == name {
			return s
		}
	}
	t.Fatalf("no lane %s", name)
	return pipeline.Status{}
}

// One lane cannot continue. It rests for a minute, reports why, and is tried again. The
// other delivers as if it were alone.
func TestALaneThatCannotGoOnRests(t *testing.T) {
	down := errors.New("open audit.ndjson: too many open files")
	for _, test := range []struct {
		name  string
		fails func(b *rig, m *pipeline.Member) (mend func())
		want  string
	}{
		{"its checkpoint is unusable", func(b *rig, _ *pipeline.Member) func() {
			b.stores.loadErr = unusable
			return func() { b.stores.mu.Lock(); b.stores.loadErr = nil; b.stores.mu.Unlock() }
		}, "lane b: acme+b.json: position is not usable; hint: restore the file"},
		{"its source does not know the checkpoint", func(b *rig, _ *pipeline.Member) func() {
			b.stores.saved = []string{`"foreign"`}
			return func() { b.stores.mu.Lock(); b.stores.saved = nil; b.stores.mu.Unlock() }
		}, `lane b: resume at checkpoint: strconv.Atoi: parsing "\"foreign\"": invalid syntax`},
		{"it cannot be built", func(_ *rig, m *pipeline.Member) func() {
			build := m.Build
			var mended atomic.Bool
			m.Build = func(ctx context.Context) (*pipeline.Lane, error) {
				if !mended.Load() {
					return nil, down
				}
				return build(ctx)
			}
			return func() { mended.Store(true) }
		}, "lane b: open audit.ndjson: too many open files"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newRig(&eventLog{total: 600, every: time.Second}, &fakeSink{}), newRig(&eventLog{total: 10}, &fakeSink{})
				m := member("b", b)
				mend := test.fails(b, &m)
				log := &lines{}
				set := &pipeline.Set{Log: zerolog.New(log)}
				set.Put(member("a", a))
				set.Put(m)
				ctx, cancel := context.WithCancel(t.Context())
				set.Start(ctx, "a")
				set.Start(ctx, "b")
				pass(10*time.Minute + 30*time.Second)
				synctest.Wait()
				if s := statusOf(t, set, "a"); !s.Ready || s.Published != 600 {
					t.Errorf("the other lane: ready %t, published %d: %s", s.Ready, s.Published, s.Reason)
				}
				s := statusOf(t, set, "b")
				if want := "resting until 2000-01-01T00:11:00Z: " + test.want; s.Ready || !s.Resting || s.Reason != want {
					t.Errorf("ready %t, resting %t, reason\n%q, want\n%q", s.Ready, s.Resting, s.Reason, want)
				} else if next := time.Until(s.Troubles[0].Next); len(s.Troubles) != 1 || s.Troubles[0].String() != want || next != 30*time.Second {
					t.Errorf("troubles %+v, the next try in %s; want one that says %q, and a try in 30s", s.Troubles, next, want)
				}
				rests := 0
				for _, line := range log.texts(t) {
					if strings.HasPrefix(line, "error lane rests: lane b: ") {
						rests++
					}
				}
				if rests != 11 {
					t.Errorf("%d rests were logged in ten minutes, want 11:\n%s", rests, strings.Join(log.texts(t), "\n"))
				}
				mend()
				pass(time.Minute)
				synctest.Wait()
				if s := statusOf(t, set, "b"); !s.Ready || s.Resting || s.Published != 10 {
					t.Errorf("once it can go on: ready %t, resting %t, published %d: %s", s.Ready, s.Resting, s.Published, s.Reason)
				}
				cancel()
				if err := set.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// With Once a lane that cannot continue is a failure, which is reported when the others
// are done.
func TestOnceALaneThatCannotGoOnFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newRig(&eventLog{total: 10}, &fakeSink{}), newRig(&eventLog{total: 10}, &fakeSink{})
		a.Once, b.Once, b.stores.loadErr = true, true, unusable
		set := &pipeline.Set{Once: true}
		set.Put(member("b", b))
		set.Put(member("a", a))
		set.Start(t.Context(), "b")
		set.Start(t.Context(), "a")
		if err := set.Wait(); !errors.Is(err, source.ErrUnusable) {
			t.Errorf("got %v, want %v", err, source.ErrUnusable)
		}
		if diff := cmp.Diff(ids(0, 10), a.sink.taken()); diff != "" {
			t.Errorf("delivered by the other lane (-want +got):\n%s", diff)
		}
	})
}

func TestLanesAreEndedAndStartedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &eventLog{total: 1000, every: time.Minute}
		a, b := newRig(log, &fakeSink{}), newRig(log, &fakeSink{})
		ended := 0
		m := member("a", a)
		m.Ended = func() { ended++ }
		set := &pipeline.Set{}
		set.Put(m)
		set.Put(member("b", b))
		if s := statusOf(t, set, "a"); s.Ready || s.Reason != "not running" || s.Sink != "a" {
			t.Errorf("before the start: %+v", s)
		}
		set.End("a") // The lane does not run, so this does nothing.
		ctx, cancel := context.WithCancel(t.Context())
		for _, name := range []string{"a", "a", "b"} {
			set.Start(ctx, name)
		}
		pass(10*time.Minute + time.Second)
		set.End("a")
		if s := statusOf(t, set, "a"); s.Ready || s.Reason != "not running" || ended != 1 {
			t.Errorf("once it ended: ready %t, reason %q, told %d times", s.Ready, s.Reason, ended)
		}
		pass(10 * time.Minute)
		synctest.Wait()
		if got, want := len(a.sink.taken()), 11; got != want {
			t.Errorf("%d events came out of a lane that ended, want %d", got, want)
		}
		if got, want := len(b.sink.taken()), 21; got != want {
			t.Errorf("%d events came out of the other, want %d", got, want)
		}
		set.Start(ctx, "a")
		pass(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff(ids(0, 22), a.sink.taken()); diff != "" {
			t.Errorf("delivered once it was started again (-want +got):\n%s", diff)
		}
		c := newRig(log, &fakeSink{})
		set.Put(member("a", c)) // replaces the lane that runs
		if got := a.sink.closings; got != 2 {
			t.Errorf("the sink of the lane that was replaced was closed %d times, want 2", got)
		}
		set.Start(ctx, "a")
		pass(time.Second)
		synctest.Wait()
		if got, want := len(c.sink.taken()), 22; got != want {
			t.Errorf("%d events came out of the lane in its place, want %d", got, want)
		}
		if got := len(set.Statuses()); got != 2 {
			t.Errorf("%d lanes, want 2", got)
		}
		cancel()
		if err := set.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// A lane that rests ends at once.
func TestALaneThatRestsEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		b.stores.loadErr = unusable
		set := &pipeline.Set{}
		set.Put(member("b", b))
		set.Start(t.Context(), "b")
		pass(time.Second)
		began := time.Now()
		set.End("b")
		if took := time.Since(began); took != 0 {
			t.Errorf("it ended after %s, want at once", took)
		}
		if err := set.Wait(); err != nil {
			t.Errorf("got %v from a lane that was told to end", err)
		}
	})
}

// Members come and go while Run runs the others. What is retired never starts again, and
// keeps its place until it is replaced or removed.
func TestMembersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &eventLog{total: 1000, every: time.Minute}
		rigs := map[string]*rig{}
		set := &pipeline.Set{}
		put := func(name string) {
			rigs[name] = newRig(log, &fakeSink{})
			set.Put(member(name, rigs[name]))
		}
		for _, name := range []string{"a", "b", "c"} {
			put(name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- set.Run(ctx) }()
		pass(time.Minute)
		stays, changes, goes := rigs["a"], rigs["b"], rigs["c"]
		if err := set.Retire("b", "c", "nobody"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"b", "c", "nobody"} {
			set.Start(ctx, name)
		}
		pass(time.Minute)
		if s := statusOf(t, set, "c"); s.Reason != "not running" || changes.sink.closings != 1 || goes.sink.closings != 1 {
			t.Errorf("retired: reason %q, closed %d and %d times", s.Reason, changes.sink.closings, goes.sink.closings)
		}
		set.Remove("c")
		set.Remove("nobody")
		put("b")
		put("d")
		set.Start(ctx, "b")
		set.Start(ctx, "d")
		pass(time.Minute)
		synctest.Wait()
		var order []string
		for _, s := range set.Statuses() {
			order = append(order, s.Lane)
			if !s.Ready {
				t.Errorf("lane %s: %s", s.Lane, s.Reason)
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "d"}, order); diff != "" {
			t.Errorf("lanes (-want +got):\n%s", diff)
		}
		if stays.sink.closings != 0 {
			t.Error("a lane that stayed closed its sink")
		}
		if err := set.Retire("a", "b", "d"); err != nil {
			t.Error(err)
		}
		pass(time.Minute)
		select {
		case err := <-over:
			t.Errorf("Run returned %v before it was told to end", err)
		default:
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// Members that are retired together end at the same time, each within its own time-out.
func TestMembersRetireTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := &pipeline.Set{}
		ctx := t.Context()
		hangs := func(ctx context.Context, _ int, _ []sink.Record) error { <-ctx.Done(); return ctx.Err() }
		var names []string
		for i := range 5 {
			r := newRig(&eventLog{total: 10}, &fakeSink{answer: hangs})
			r.ShutdownTimeout = 3 * time.Second
			name := fmt.Sprint(i)
			set.Put(member(name, r))
			set.Start(ctx, name)
			names = append(names, name)
		}
		pass(time.Second)
		began := time.Now()
		if err := set.Retire(names...); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 6*time.Second {
			t.Errorf("five lanes took %s to end, want the time of one", took)
		}
	})
}
