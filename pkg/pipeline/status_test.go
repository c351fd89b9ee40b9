package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

func TestStatusOfALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 100, every: time.Minute}, &fakeSink{})
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
			b := newRig(&eventLog{total: 10}, &fakeSink{})
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
			b := newRig(&eventLog{total: 10, quiet: 5 * time.Second}, &fakeSink{})
			var down atomic.Bool
			b.log.next = func(int) error {
				if down.Load() {
					return &source.Error{Op: "poll", Class: source.Refused, Err: errors.New("401"), Hint: "renew the token"}
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
			pass(time.Minute + 10*time.Second) // the longest pause, and until the reader returns
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
			b := newRig(&eventLog{total: 10, poll: 45 * time.Second}, &fakeSink{})
			stop := start(b.Lane)
			pass(30 * time.Second)
			synctest.Wait()
			if s := b.Status(); s.Ready || s.Reason != "read: the last read was 30s ago" {
				t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("not with a reader that waits for longer than its source says", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 10, poll: 45 * time.Second, age: 30 * time.Second, held: "429, no requests until noon"}, &fakeSink{})
			stop := start(b.Lane)
			pass(30*time.Second - time.Second)
			synctest.Wait()
			if s := b.Status(); !s.Ready {
				t.Errorf("not ready within the age of a fresh read: %s", s.Reason)
			}
			pass(time.Second)
			synctest.Wait()
			if s := b.Status(); s.Ready || s.Reason != "read: the last read was 30s ago; 429, no requests until noon" {
				t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("while a slow sink keeps the reader waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: 1000}, &fakeSink{answer: func(ctx context.Context, _ int, _ []sink.Record) error {
				select {
				case <-time.After(50 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}})
			b.QueueBytes = 2000
			stop := start(b.Lane)
			pass(time.Minute) // so that the sink has taken something
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

// The reader has handed all out long before a slow sink has taken it. Until then the lane
// catches up. Events that come later wait in the queue, too, and are no catch-up.
func TestALaneCatchesUpUntilAllIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		take := make(chan struct{})
		b := newRig(&eventLog{total: 96, every: time.Minute}, &fakeSink{limits: sink.Limits{Records: 10}, answer: func(ctx context.Context, _ int, _ []sink.Record) error {
			select {
			case <-take:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		b.log.began, b.PublishTimeout = time.Now().Add(-94*time.Minute-30*time.Second), time.Hour
		stop := start(b.Lane)
		for settled := 0; settled <= 90; settled += 10 {
			synctest.Wait()
			s := b.Status()
			if waiting, all := s.Waiting(); !s.Reader.CaughtUp || !s.CatchingUp || s.Unsettled != 95-settled || waiting != 95-settled || all != waiting {
				t.Errorf("%d settled: reader caught up %t, catching up %t, unsettled %d, waiting %d of %d, want true, true, the others", settled, s.Reader.CaughtUp, s.CatchingUp, s.Unsettled, waiting, all)
			}
			take <- struct{}{}
		}
		synctest.Wait()
		if s := b.Status(); s.CatchingUp || s.Unsettled != 0 {
			t.Errorf("all is settled: catching up %t, unsettled %d", s.CatchingUp, s.Unsettled)
		}
		pass(time.Minute)
		synctest.Wait()
		if s := b.Status(); s.CatchingUp || s.Unsettled != 1 || s.Lag == 0 {
			t.Errorf("a new event waits: catching up %t, unsettled %d, lag %s, want false, 1, some", s.CatchingUp, s.Unsettled, s.Lag)
		}
		close(take)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWaitingCountsWhatIsListedAndWhatIsNotSettled(t *testing.T) {
	s := pipeline.Status{Unsettled: 300, Reader: source.Progress{WalkDone: true, WalkEvents: 1000, Handed: 900}}
	if waiting, all := s.Waiting(); waiting != 400 || all != 1000 {
		t.Errorf("got %d of %d, want 400 of 1000", waiting, all)
	}
}

// TestNotReadyAfterAGap requires that a lane which lost events is not ready for a while,
// for those who watch only readiness, and that it continues.
func TestNotReadyAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		b.log.walk.Gaps, b.log.walk.LastGap = 1, time.Now()
		stop := start(b.Lane)
		pass(14 * time.Minute)
		synctest.Wait()
		if s := b.Status(); s.Ready || !strings.HasPrefix(s.Reason, "events are missing: ") || s.Published != 10 {
			t.Errorf("ready %t, reason %q, published %d, want not ready because of the gap, and 10", s.Ready, s.Reason, s.Published)
		}
		pass(2 * time.Minute)
		synctest.Wait()
		if s := b.Status(); !s.Ready {
			t.Errorf("16 minutes after the gap: not ready: %s", s.Reason)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLagBehindAWalk(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	tests := []struct {
		name   string
		oldest time.Duration // age of the oldest event of the walk; 0: unknown
		saved  int           // checkpoint; events are a minute apart
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
				b := newRig(&eventLog{total: 100, every: time.Minute}, &fakeSink{})
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

func TestNotReadyWhileTheSinkDoesNotAnswer(t *testing.T) {
	slow := func(_ context.Context, _ int, batch []sink.Record) error {
		if len(batch) > 0 { // A lane that begins commits only its position.
			pass(20 * time.Second)
		}
		return nil
	}
	for name, rigged := range map[string]func(*eventLog) *rig{
		"publish":              func(log *eventLog) *rig { return newRig(log, &fakeSink{answer: slow}) },
		"commit of a position": func(log *eventLog) *rig { return newExactRig(log, &ledger{answer: slow}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The second event comes after five quiet minutes, in which the lane was ready.
				b := rigged(&eventLog{total: 2, every: 5 * time.Minute})
				b.Start = source.Start{Now: true}
				stop := start(b.Lane)
				pass(5*time.Minute + 14*time.Second)
				synctest.Wait()
				if s := b.Status(); !s.Ready {
					t.Errorf("after 14s: not ready: %s", s.Reason)
				}
				pass(2 * time.Second)
				synctest.Wait()
				if s := b.Status(); s.Ready || s.Reason != "publish: the sink has not accepted anything yet, nor answered for 16s" {
					t.Errorf("after 16s: ready %t, reason %q", s.Ready, s.Reason)
				}
				pass(5 * time.Second)
				synctest.Wait()
				if s := b.Status(); !s.Ready {
					t.Errorf("once it has answered: not ready: %s", s.Reason)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A lane that begins is not ready before somebody has answered, and the log soon says what
// it waits for. A sink that has accepted records may be slow.
func TestALaneThatBeginsWaitsForAnAnswer(t *testing.T) {
	slow := func(context.Context, int, []sink.Record) error { pass(20 * time.Second); return nil }
	for name, c := range map[string]struct {
		rig          func() *rig
		after        time.Duration
		reason, told string
	}{
		"publish": {
			func() *rig { return newRig(&eventLog{total: 2, every: time.Minute}, &fakeSink{answer: slow}) }, time.Second,
			"publish: the sink has not accepted anything yet, nor answered for 1s", "info publish of 1 records: no answer for 10s; still waiting",
		},
		"commit": {
			func() *rig { return newExactRig(&eventLog{total: 2, every: time.Minute}, &ledger{answer: slow}) }, time.Second,
			"publish: the sink has not accepted anything yet, nor answered for 1s; read: nothing was read yet", "info commit of 0 records: no answer for 10s; still waiting",
		},
		"start": {
			func() *rig {
				return newRig(&eventLog{total: 2, every: time.Minute, start: func() error { pass(20 * time.Second); return nil }}, &fakeSink{})
			}, 16 * time.Second,
			"start: no answer for 16s; nothing was read yet", "info start: no answer for 10s; still waiting",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := c.rig()
				stop := start(b.Lane)
				pass(c.after)
				synctest.Wait()
				if s := b.Status(); s.Ready || s.Reason != c.reason {
					t.Errorf("after %s: ready %t, reason %q, want %q", c.after, s.Ready, s.Reason, c.reason)
				}
				pass(11*time.Second - min(c.after, 10*time.Second))
				synctest.Wait()
				if all := b.lines.texts(t); !slices.Contains(all, c.told) {
					t.Errorf("after 11s: got %q, want %q", all, c.told)
				}
				pass(5 * time.Minute)
				synctest.Wait()
				if s := b.Status(); !s.Ready {
					t.Errorf("a slow sink that answers: not ready: %s", s.Reason)
				}
				told := 0
				for _, text := range b.lines.texts(t) {
					if strings.Contains(text, "still waiting") {
						told++
					}
				}
				if told > 2 { // A commit of the beginning is one, that of the first events another.
					t.Errorf("told %d times of a slow sink that answers", told)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
