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

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func TestWhereALaneBegins(t *testing.T) {
	t.Run("at what the source resolves, saved before the first read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 10}, &fakeSink{})
			saved := -1
			b.log.next = func(int) error {
				if saved < 0 {
					saved = b.stores.last()
				}
				return nil
			}
			b.Lane.Start = source.Start{Now: true}
			b.Once = true
			if err := b.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := saved, 10; got != want {
				t.Errorf("position %d was saved before the first read, want %d", got, want)
			}
			if got := b.sink.taken(); len(got) > 0 {
				t.Errorf("delivered %q, want nothing from before now", got)
			}
		})
	})
	t.Run("at its checkpoint, whatever the start says", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 10}, &fakeSink{})
			b.stores.saved = []string{"4"}
			b.log.start = func() error { return errors.New("start was asked for") }
			b.Lane.Start = source.Start{Now: true}
			b.Once = true
			if err := b.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ids(4, 10), b.sink.taken()); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("once the source can resolve the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 10}, &fakeSink{})
			var down atomic.Bool
			down.Store(true)
			b.log.start = func() error {
				if down.Load() {
					return &source.Error{Op: "read the log", Class: source.Refused, Err: errors.New("401"), Advice: "grant read_audit_logs"}
				}
				return nil
			}
			stop := start(b.Lane)
			pass(time.Hour)
			synctest.Wait()
			s := b.Status()
			if want := "start: read the log: 401 (retrying since "; s.Ready || !strings.HasPrefix(s.Reason, want) ||
				!strings.Contains(s.Reason, "hint: grant read_audit_logs") {
				t.Errorf("ready %t, reason %q, want %q", s.Ready, s.Reason, want)
			}
			if got, want := b.stores.last(), -1; got != want {
				t.Errorf("saved position %d before there was one, want %d", got, want)
			}
			down.Store(false)
			pass(time.Minute)
			synctest.Wait()
			if s := b.Status(); !s.Ready {
				t.Errorf("not ready after the start: %s", s.Reason)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestACheckpointThatCannotBeUsedEndsTheLane(t *testing.T) {
	corrupt := sink.Hint(errors.New("checksum differs"), "restore the file")
	tests := []struct {
		name string
		set  func(b *bench)
		want string
	}{
		{"it cannot be loaded", func(b *bench) { b.stores.loadErr = corrupt },
			"lane acme/siem: load checkpoint: checksum differs"},
		{"the source does not know it", func(b *bench) { b.stores.saved = []string{`{"of":"another"}`} },
			`lane acme/siem: resume at checkpoint: strconv.Atoi: parsing "{\"of\":\"another\"}": invalid syntax`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(&eventLog{total: 10}, &fakeSink{})
			test.set(b)
			before := len(b.stores.saved)
			err := b.Run(t.Context())
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			var hinted interface{ Hint() string }
			if b.stores.loadErr != nil && (!errors.As(err, &hinted) || hinted.Hint() != "restore the file") {
				t.Errorf("the hint of %v was lost", err)
			}
			if len(b.sink.publishes()) > 0 || len(b.stores.saved) > before {
				t.Error("something was published or saved all the same")
			}
			if s := b.Status(); s.Ready {
				t.Error("a lane that does not run is ready")
			}
		})
	}
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(&eventLog{total: 1000, page: 7}, &fakeSink{})
		b.Once = true
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ids(0, 1000), b.sink.taken()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		if got, want := b.stores.last(), 1000; got != want {
			t.Errorf("saved position %d, want %d", got, want)
		}
		if got, want := b.sink.closings, 1; got != want {
			t.Errorf("sink closed %d times, want %d", got, want)
		}
	})
}

func TestTimePassesForAnIdleLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(&eventLog{total: 0}, &fakeSink{})
		stop := start(b.Lane)
		pass(10*time.Minute + time.Second)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got, want := len(b.stores.saved), 12; got != want { // the start, the first walk, ten minutes
			t.Errorf("%d saves in ten minutes, want %d", got, want)
		}
		if got := b.sink.publishes(); len(got) > 0 {
			t.Errorf("published %q, want nothing", got)
		}
	})
}

// Two lanes over one log, one of whose sinks is down for a day: the other's
// deliveries are the same, and at the same times, as if it were alone.
func TestALaneWhoseSinkIsDownStopsNoOther(t *testing.T) {
	type delivery struct {
		After time.Duration
		IDs   []string
	}
	const events = 24 * 60
	live := func(t *testing.T, withOther bool) (got []delivery, other *bench) {
		synctest.Test(t, func(t *testing.T) {
			log := &eventLog{total: events, every: time.Minute}
			b := newBench(log, &fakeSink{})
			b.sink.answer = func(_ context.Context, _ int, batch []sink.Record) error {
				got = append(got, delivery{time.Since(log.began), names(batch)})
				return nil
			}
			stops := []func() error{start(b.Lane)}
			if withOther {
				down := time.Now().Add(24 * time.Hour)
				other = newBench(log, &fakeSink{answer: func(context.Context, int, []sink.Record) error {
					if time.Now().Before(down) {
						return errors.New("connection refused")
					}
					return nil
				}})
				other.QueueBytes = 1000
				stops = append(stops, start(other.Lane))
			}
			pass(25 * time.Hour)
			for _, stop := range stops {
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			}
		})
		return got, other
	}
	alone, _ := live(t, false)
	beside, other := live(t, true)
	if diff := cmp.Diff(alone, beside); diff != "" {
		t.Errorf("deliveries beside a lane that is down (-alone +beside):\n%s", diff)
	}
	if got, want := len(alone), events; got != want {
		t.Errorf("%d deliveries, want %d", got, want)
	}
	if diff := cmp.Diff(ids(0, events), other.sink.taken()); diff != "" {
		t.Errorf("delivered by the lane that was down (-want +got):\n%s", diff)
	}
}

func TestStopping(t *testing.T) {
	t.Run("a Publish under way may finish, and is settled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 30, page: 10}, &fakeSink{answer: func(ctx context.Context, n int, batch []sink.Record) error {
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
			b := newBench(&eventLog{total: 30}, &fakeSink{answer: func(ctx context.Context, _ int, _ []sink.Record) error {
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
			again.Once = true
			if err := again.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ids(0, 30), b.sink.taken()); diff != "" {
				t.Errorf("delivered by the next run (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a Publish that ignores its context is abandoned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 30}, &fakeSink{})
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
			b := newBench(&eventLog{total: 30}, &fakeSink{answer: func(context.Context, int, []sink.Record) error { return errReset }})
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
			b := newBench(&eventLog{total: 30}, &fakeSink{})
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
			b := newBench(&eventLog{total: 30}, &fakeSink{})
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

func TestQueuedBytesAreBounded(t *testing.T) {
	tests := []struct {
		name  string
		size  int // of an event
		bound int64
		most  int64
	}{
		// A page of ten such events and their bodies takes about 23,000 bytes.
		{"many pages in the queue", 1000, 200_000, 200_000},
		// Each queue holds one page at most, however large.
		{"a page larger than the queue passes alone", 10_000, 1000, 10 * 10_100 * 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(&eventLog{total: 2000, size: test.size}, nil)
				var most int64
				b.sink = &fakeSink{answer: func(context.Context, int, []sink.Record) error {
					pass(time.Second)
					synctest.Wait() // All that can be queued is.
					most = max(most, b.Status().QueuedBytes)
					return nil
				}}
				b.QueueBytes, b.Once = test.bound, true
				if err := b.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if most > test.most {
					t.Errorf("%d bytes were queued, want at most %d", most, test.most)
				}
				if most < test.most/3 {
					t.Errorf("at most %d bytes were queued, want more than %d: large batches need a full queue", most, test.most/3)
				}
				if diff := cmp.Diff(ids(0, 2000), b.sink.taken()); diff != "" {
					t.Errorf("delivered (-want +got):\n%s", diff)
				}
				if got := b.Status().QueuedBytes; got != 0 {
					t.Errorf("%d bytes are queued at the end, want none", got)
				}
			})
		})
	}
}

func TestStatusOfALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(&eventLog{total: 100, every: time.Minute}, &fakeSink{})
		if s := b.Status(); s.Ready || s.Reason != "not running" {
			t.Errorf("before Run: ready %t, reason %q", s.Ready, s.Reason)
		}
		took := 30 * time.Millisecond
		var down atomic.Bool
		b.sink.answer = func(context.Context, int, []sink.Record) error {
			pass(took)
			if down.Load() {
				return errReset
			}
			return nil
		}
		stop := start(b.Lane)
		pass(10*time.Minute + 30*time.Second)
		synctest.Wait()
		s := b.Status()
		if !s.Ready || s.CatchingUp || s.Lag != 0 || s.Read != 11 || s.Published != 11 ||
			s.Lane != "acme/siem" || s.Source != "acme" || s.Sink != "siem" || s.Format != "raw" {
			t.Errorf("an idle lane that is well: %+v", s)
		}
		if got, want := s.Position.Event, b.log.time(10); !got.Equal(want) {
			t.Errorf("the checkpoint's event is of %s, want %s", got, want)
		}
		if got, want := s.LastPublished, b.log.time(10).Add(took); !got.Equal(want) {
			t.Errorf("last published at %s, want %s", got, want)
		}
		if s.Publish.Count != 11 || s.Publish.Sum < 0.32 || s.Publish.Sum > 0.34 ||
			s.Publish.Buckets[0.025] != 0 || s.Publish.Buckets[0.05] != 11 || s.Publish.Buckets[60] != 11 {
			t.Errorf("publish durations %+v", s.Publish)
		}
		down.Store(true)
		pass(5 * time.Minute)
		synctest.Wait()
		s = b.Status()
		if s.Ready || s.Read != 16 || s.Published != 11 {
			t.Errorf("a lane whose sink is down: ready %t, read %d, published %d", s.Ready, s.Read, s.Published)
		}
		if got, want := s.Lag, time.Since(b.log.time(11)); got != want {
			t.Errorf("lag %s, want %s: the age of the oldest event that waits", got, want)
		}
		if s.QueuedPages[1] == 0 || s.QueuedBytes == 0 {
			t.Errorf("queued %v pages, %d bytes, want some", s.QueuedPages, s.QueuedBytes)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if s := b.Status(); s.Ready || !strings.HasSuffix(s.Reason, "; not running") || s.Read != 16 {
			t.Errorf("after Run: ready %t, reason %q, read %d", s.Ready, s.Reason, s.Read)
		}
	})
}

func TestReadyWhileReading(t *testing.T) {
	t.Run("not before the first read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 10}, &fakeSink{})
			answer := make(chan struct{})
			b.log.next = func(int) error { <-answer; return nil }
			stop := start(b.Lane)
			synctest.Wait()
			if s := b.Status(); s.Ready || s.Reason != "read: nothing was read yet" || !s.CatchingUp {
				t.Errorf("ready %t, reason %q, catching up %t", s.Ready, s.Reason, s.CatchingUp)
			}
			close(answer)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("as long as the last read is fresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 10, quiet: 5 * time.Second}, &fakeSink{})
			var down atomic.Bool
			b.log.next = func(int) error {
				if down.Load() {
					return &source.Error{Op: "poll", Class: source.Refused, Err: errors.New("401"), Advice: "renew the token"}
				}
				return nil
			}
			stop := start(b.Lane)
			pass(time.Hour + time.Second)
			down.Store(true)
			pass(18 * time.Second)
			synctest.Wait()
			if s := b.Status(); !s.Ready {
				t.Errorf("not ready within the ready age: %s", s.Reason)
			}
			pass(time.Hour)
			synctest.Wait()
			s := b.Status()
			if want := "read: poll: 401 (retrying since "; s.Ready || !strings.HasPrefix(s.Reason, want) || !strings.HasSuffix(s.Reason, "; hint: renew the token") {
				t.Errorf("ready %t, reason %q, want %q", s.Ready, s.Reason, want)
			}
			if got := s.Retries["refused"]; got < 60 || got > 150 {
				t.Errorf("%d retries in an hour, want about one a minute", got)
			}
			down.Store(false)
			pass(time.Minute)
			synctest.Wait()
			if s := b.Status(); !s.Ready {
				t.Errorf("not ready once it reads again: %s", s.Reason)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("not with a reader that hangs without an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 10, poll: 45 * time.Second}, &fakeSink{})
			stop := start(b.Lane)
			pass(30 * time.Second)
			synctest.Wait()
			if s := b.Status(); s.Ready || s.Reason != "read: the last one was 30s ago" {
				t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("while a slow sink keeps the reader waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(&eventLog{total: 1000}, &fakeSink{answer: func(ctx context.Context, _ int, _ []sink.Record) error {
				select {
				case <-time.After(50 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}})
			b.QueueBytes = 2000
			stop := start(b.Lane)
			for range 20 {
				pass(17 * time.Second)
				synctest.Wait()
				if s := b.Status(); !s.Ready || !s.CatchingUp || s.Lag == 0 {
					t.Errorf("ready %t, catching up %t, lag %s, reason %q", s.Ready, s.CatchingUp, s.Lag, s.Reason)
				}
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestLagBehindAWalk(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	tests := []struct {
		name   string
		oldest time.Duration // of the walk; 0: unknown
		saved  int           // checkpoint, of events a minute apart
		want   time.Duration
	}{
		{"the oldest event of the walk", 20 * time.Minute, 0, 20 * time.Minute},
		{"or the newest delivered, if that is later", 20 * time.Minute, 51, 10 * time.Minute},
		{"the newest delivered, if the walk knows none", 0, 31, 30 * time.Minute},
		{"none, if nothing is known", 0, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(&eventLog{total: 100, every: time.Minute}, &fakeSink{})
				b.log.began = ago(time.Hour)
				b.stores.saved = []string{fmt.Sprint(test.saved)}
				if test.oldest > 0 {
					b.log.walk.Oldest = ago(test.oldest)
				}
				answer := make(chan struct{})
				b.log.next = func(int) error { <-answer; return nil }
				stop := start(b.Lane)
				synctest.Wait()
				if got := b.Status().Lag; got != test.want {
					t.Errorf("lag %s, want %s", got, test.want)
				}
				close(answer)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
