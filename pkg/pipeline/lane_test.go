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

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func TestWhereALaneBegins(t *testing.T) {
	t.Run("at the start that the source resolves, saved before the first read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			saved := -1
			b.log.next = func(int) error {
				if saved < 0 {
					saved = b.stores.last()
				}
				return nil
			}
			b.Lane.Start = source.Start{Now: true}
			b.catchUp(t)
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
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			b.stores.saved = []string{"4"}
			b.log.start = func() error { return errors.New("start was asked for") }
			b.Lane.Start = source.Start{Now: true}
			b.catchUp(t)
			if diff := cmp.Diff(ids(4, 10), b.sink.taken()); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("once the source can resolve the start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			var down atomic.Bool
			down.Store(true)
			b.log.start = func() error {
				if down.Load() {
					return &source.Error{Op: "read the log", Class: source.Refused, Err: errors.New("401"), Hint: "grant read_audit_logs"}
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
	corrupt := sink.Hint(fmt.Errorf("checksum differs: %w", source.ErrUnusable), "restore the file")
	tests := []struct {
		name string
		set  func(b *rig)
		want string
	}{
		{"it cannot be loaded", func(b *rig) { b.stores.loadErr = corrupt },
			"lane acme/siem: checksum differs: position is not usable"},
		{"the source does not know it", func(b *rig) { b.stores.saved = []string{`{"of":"another"}`} },
			`lane acme/siem: resume at checkpoint: strconv.Atoi: parsing "{\"of\":\"another\"}": invalid syntax`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newRig(&eventLog{total: 10}, &fakeSink{})
			test.set(b)
			before := len(b.stores.saved)
			b.Once = true
			err := b.Run(t.Context())
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			if b.stores.loadErr != nil && failure.Hint(err) != "restore the file" {
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
		b := newRig(&eventLog{total: 1000, page: 7}, &fakeSink{})
		b.catchUp(t)
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
		b := newRig(&eventLog{total: 0}, &fakeSink{})
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

// Two lanes read one log, and the sink of one is down for a day. The other delivers the
// same, and at the same times, as if it were alone.
func TestALaneWhoseSinkIsDownStopsNoOther(t *testing.T) {
	type delivery struct {
		After time.Duration
		IDs   []string
	}
	const events = 24 * 60
	live := func(t *testing.T, withOther bool) (got []delivery, other *rig) {
		synctest.Test(t, func(t *testing.T) {
			log := &eventLog{total: events, every: time.Minute}
			b := newRig(log, &fakeSink{})
			b.sink.answer = func(_ context.Context, _ int, batch []sink.Record) error {
				got = append(got, delivery{time.Since(log.began), names(batch)})
				return nil
			}
			stops := []func() error{start(b.Lane)}
			if withOther {
				down := time.Now().Add(24 * time.Hour)
				other = newRig(log, &fakeSink{answer: func(context.Context, int, []sink.Record) error {
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

func TestQueuedBytesAreBounded(t *testing.T) {
	tests := []struct {
		name  string
		size  int // bytes of an event
		bound int64
		most  int64
	}{
		// A page of ten such events and their records takes about 28,000 bytes.
		{"many pages in the queue", 1000, 200_000, 200_000},
		// Each queue holds one page at most, however large.
		{"a page larger than the queue passes alone", 10_000, 1000, 10 * 10_100 * 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(&eventLog{total: 2000, size: test.size}, nil)
				var most int64
				b.sink = &fakeSink{answer: func(context.Context, int, []sink.Record) error {
					pass(time.Second)
					synctest.Wait() // The queues are full.
					most = max(most, b.Status().QueuedBytes)
					return nil
				}}
				b.QueueBytes = test.bound
				b.catchUp(t)
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
