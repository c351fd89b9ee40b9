package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// stuckSink hangs in Publish until it is closed, and ignores its context.
type stuckSink struct {
	fakeSink
	closed chan struct{}
}

func (s *stuckSink) Publish(context.Context, []sink.Record) error {
	<-s.closed
	return errors.New("closed")
}

func (s *stuckSink) Close() error {
	close(s.closed)
	return s.fakeSink.Close()
}

func TestAPublishThatHangsIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		stuck := &stuckSink{closed: make(chan struct{})}
		var opened atomic.Int32
		b.Lane.Open = func(context.Context) (sink.Sink, error) {
			if opened.Add(1) == 1 {
				return stuck, nil
			}
			return b.sink, nil
		}
		stop := start(b.Lane)
		pass(time.Minute + 5*time.Second - time.Millisecond)
		synctest.Wait()
		if got, want := opened.Load(), int32(1); got != want {
			t.Errorf("opened %d times before the Publish had its time, want %d", got, want)
		}
		pass(time.Millisecond)
		synctest.Wait()
		s := b.Status()
		want := "publish: publish of 10 records was abandoned after 1m5s, outcome unknown: context deadline exceeded (retrying since "
		if s.Ready || !strings.HasPrefix(s.Reason, want) {
			t.Errorf("ready %t, reason %q, want %q", s.Ready, s.Reason, want)
		}
		if diff := cmp.Diff(map[string]uint64{"timeout": 1}, s.Retries); diff != "" {
			t.Errorf("retries (-want +got):\n%s", diff)
		}
		pass(time.Second)
		synctest.Wait()
		if diff := cmp.Diff(ids(0, 10), b.sink.taken()); diff != "" {
			t.Errorf("delivered through the sink opened anew (-want +got):\n%s", diff)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if stuck.closings != 1 || b.sink.closings != 1 {
			t.Errorf("closed the abandoned sink %d times and the other %d times, want once each", stuck.closings, b.sink.closings)
		}
	})
}

func TestALatePublishCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{answer: func(ctx context.Context, _ int, _ []sink.Record) error {
			<-ctx.Done()
			pass(4 * time.Second)
			return nil
		}})
		b.catchUp(t)
		if got, want := len(b.sink.publishes()), 1; got != want {
			t.Errorf("%d publishes, want %d", got, want)
		}
	})
}

func TestTimeForAPublish(t *testing.T) {
	tests := []struct {
		name                  string
		setting, limits, want time.Duration
	}{
		{"a minute by default", 0, 0, time.Minute},
		{"as set", 10 * time.Second, 0, 10 * time.Second},
		{"as the sink asks, if that is more", 10 * time.Second, 3 * time.Minute, 3 * time.Minute},
		{"as set, if the sink asks for less", 10 * time.Second, time.Second, 10 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got time.Duration
				s := &fakeSink{limits: sink.Limits{Timeout: test.limits}}
				s.answer = func(ctx context.Context, _ int, _ []sink.Record) error {
					deadline, _ := ctx.Deadline()
					got = time.Until(deadline)
					return nil
				}
				b := newRig(&eventLog{total: 1}, s)
				b.PublishTimeout = test.setting
				b.catchUp(t)
				if got != test.want {
					t.Errorf("a Publish had %s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestOpeningIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		var down atomic.Bool
		down.Store(true)
		b.Lane.Open = func(context.Context) (sink.Sink, error) {
			if down.Load() {
				return nil, sink.Hint(errors.New("file: permission denied"), "let the user own the directory")
			}
			return b.sink, nil
		}
		stop := start(b.Lane)
		pass(time.Hour)
		synctest.Wait()
		s := b.Status()
		if want := "open: file: permission denied (retrying since "; s.Ready || !strings.HasPrefix(s.Reason, want) {
			t.Errorf("ready %t, reason %q, want %q", s.Ready, s.Reason, want)
		}
		down.Store(false)
		pass(time.Minute)
		synctest.Wait()
		if s := b.Status(); !s.Ready {
			t.Errorf("not ready once the sink opens: %s", s.Reason)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ids(0, 10), b.sink.taken()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	})
}

func TestAnOpenThatHangsIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 10}, &fakeSink{})
		b.Lane.Open = func(ctx context.Context) (sink.Sink, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		stop := start(b.Lane)
		pass(time.Minute)
		synctest.Wait()
		if s := b.Status(); !strings.HasPrefix(s.Reason, "open: context deadline exceeded") {
			t.Errorf("reason %q", s.Reason)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// While a Publish of the first page is under way, all others are queued.
func TestAPublishTakesWhatIsQueued(t *testing.T) {
	tests := []struct {
		name   string
		limits sink.Limits
		want   [][]string
	}{
		{"all of it", sink.Limits{}, [][]string{ids(0, 4), ids(4, 20)}},
		{"whole pages, up to the limit of records", sink.Limits{Records: 10}, [][]string{ids(0, 4), ids(4, 12), ids(12, 20)}},
		{"whole pages, up to the limit of bytes", sink.Limits{Bytes: 8 * 120}, [][]string{ids(0, 4), ids(4, 12), ids(12, 20)}},
		{"a page in parts that exceeds the limit of records", sink.Limits{Records: 3},
			[][]string{ids(0, 3), ids(3, 4), ids(4, 7), ids(7, 8), ids(8, 11), ids(11, 12), ids(12, 15), ids(15, 16), ids(16, 19), ids(19, 20)}},
		{"a page in parts that exceeds the limit of bytes", sink.Limits{Bytes: 2*120 + 100},
			[][]string{ids(0, 2), ids(2, 4), ids(4, 6), ids(6, 8), ids(8, 10), ids(10, 12), ids(12, 14), ids(14, 16), ids(16, 18), ids(18, 20)}},
		{"a record by itself that alone exceeds it", sink.Limits{Bytes: 1},
			func() (each [][]string) {
				for i := range 20 {
					each = append(each, ids(i, i+1))
				}
				return each
			}()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taking, queued := make(chan struct{}), make(chan struct{})
				log := &eventLog{total: 20, page: 4, deaf: true, size: 100, next: func(at int) error {
					if at > 0 {
						<-taking // so that the first page is taken alone
					}
					return nil
				}}
				b := newRig(log, &fakeSink{limits: test.limits, answer: func(_ context.Context, n int, _ []sink.Record) error {
					if n == 1 {
						close(taking)
						<-queued
					}
					return nil
				}})
				stop := start(b.Lane)
				synctest.Wait()
				close(queued)
				synctest.Wait()
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, b.sink.publishes()); diff != "" {
					t.Errorf("publishes (-want +got):\n%s", diff)
				}
				if got, want := b.stores.last(), 20; got != want {
					t.Errorf("saved position %d, want %d", got, want)
				}
				if got, most := len(b.stores.saved), 1+5; got > most {
					t.Errorf("%d saves for a start and five pages, want at most %d", got, most)
				}
			})
		})
	}
}
