package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
)

var errReset = errors.New("connection reset")

// script answers by the number of the call. After its end it accepts everything.
func script(answers ...error) func(context.Context, int, []sink.Record) error {
	return func(_ context.Context, n int, _ []sink.Record) error { return at(answers, n-1) }
}

func permanent(text string) error { return sink.Permanent(errors.New(text)) }

func TestAnswersOfASink(t *testing.T) {
	tests := []struct {
		name    string
		answers []error
		want    [][]string // records of each Publish
		buried  []string
	}{
		{
			"nil is taken as it is",
			nil,
			[][]string{ids(0, 4)}, nil,
		},
		{
			"an error that says nothing has all published again",
			[]error{errReset},
			[][]string{ids(0, 4), ids(0, 4)}, nil,
		},
		{
			"a record named as refused for good is rejected alone",
			[]error{sink.BatchError{{Index: 1, Err: permanent("bad")}}},
			[][]string{ids(0, 4)}, ids(1, 2),
		},
		{
			"records named otherwise are published again by themselves",
			[]error{sink.BatchError{{Index: 2, Err: errReset}, {Index: 0, Err: errReset}}},
			[][]string{ids(0, 4), {id(0), id(2)}}, nil,
		},
		{
			"records of both kinds in one answer part ways",
			[]error{sink.BatchError{{Index: 0, Err: permanent("bad")}, {Index: 3, Err: errReset}}},
			[][]string{ids(0, 4), ids(3, 4)}, ids(0, 1),
		},
		{
			"a wrapped BatchError is one",
			[]error{fmt.Errorf("write: %w", sink.BatchError{{Index: 1, Err: permanent("bad")}})},
			[][]string{ids(0, 4)}, ids(1, 2),
		},
		{
			"a record named without a reason is published again",
			[]error{sink.BatchError{{Index: 1}}},
			[][]string{ids(0, 4), ids(1, 2)}, nil,
		},
		{
			"an empty BatchError tells nothing",
			[]error{sink.BatchError{}},
			[][]string{ids(0, 4), ids(0, 4)}, nil,
		},
		{
			"a BatchError that names a record twice tells nothing",
			[]error{sink.BatchError{{Index: 1, Err: permanent("bad")}, {Index: 1, Err: errReset}}},
			[][]string{ids(0, 4), ids(0, 4)}, nil,
		},
		{
			"a BatchError that names a record twice without a reason tells nothing",
			[]error{sink.BatchError{{Index: 1}, {Index: 1}}},
			[][]string{ids(0, 4), ids(0, 4)}, nil,
		},
		{
			"a BatchError beyond the batch tells nothing",
			[]error{sink.BatchError{{Index: 0, Err: permanent("bad")}, {Index: 4, Err: permanent("bad")}}},
			[][]string{ids(0, 4), ids(0, 4)}, nil,
		},
		{
			"a BatchError before the batch tells nothing",
			[]error{sink.BatchError{{Index: -1, Err: permanent("bad")}}},
			[][]string{ids(0, 4), ids(0, 4)}, nil,
		},
		{
			"a permanent error over several records bisects, oldest first",
			[]error{permanent("one is bad"), permanent("one is bad"), nil, permanent("bad")},
			[][]string{ids(0, 4), ids(0, 2), ids(0, 1), ids(1, 2), ids(2, 4)}, ids(1, 2),
		},
		{
			"bisecting survives an error that says nothing",
			[]error{permanent("one is bad"), errReset, nil, nil, permanent("bad")},
			[][]string{ids(0, 4), ids(0, 2), ids(0, 2), ids(2, 3), ids(3, 4)}, ids(3, 4),
		},
		{
			"a BatchError ends the bisecting of what it answers",
			[]error{permanent("one is bad"), sink.BatchError{{Index: 0, Err: permanent("bad")}, {Index: 1, Err: errReset}}},
			[][]string{ids(0, 4), ids(0, 2), ids(1, 2), ids(2, 4)}, ids(0, 1),
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(&eventLog{total: 4}, &fakeSink{answer: script(test.answers...)})
				b.catchUp(t)
				if diff := cmp.Diff(test.want, b.sink.publishes()); diff != "" {
					t.Errorf("publishes (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.buried, b.stores.buried()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				if got, want := b.stores.last(), 4; got != want {
					t.Errorf("saved position %d, want %d", got, want)
				}
			})
		})
	}
}

// refusing is a sink that reports that a batch holds a bad record, but not which one.
func refusing(bad ...int) *fakeSink {
	return &fakeSink{answer: func(_ context.Context, _ int, batch []sink.Record) error {
		for _, r := range batch {
			if slices.Contains(bad, index(r.ID)) {
				return permanent("400 bad request")
			}
		}
		return nil
	}}
}

func TestOneBadRecordAmongMany(t *testing.T) {
	const n = 10_000
	for _, bad := range []int{0, 1, 4999, 5000, 7777, n - 2, n - 1} {
		t.Run(fmt.Sprintf("record %d of %d", bad, n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newRig(&eventLog{total: n, page: n}, refusing(bad))
				began := time.Now()
				b.catchUp(t)
				if got, most := len(b.sink.publishes()), int(2*math.Log2(n)); got > most {
					t.Errorf("%d publishes, want at most %d", got, most)
				}
				if diff := cmp.Diff(append(ids(0, bad), ids(bad+1, n)...), b.sink.taken()); diff != "" {
					t.Errorf("delivered, in order and once (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(ids(bad, bad+1), b.stores.buried()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				if waited := time.Since(began); waited > 0 {
					t.Errorf("waited %s, want no wait: a bad record is not a fault of the destination", waited)
				}
			})
		})
	}
}

func TestARejectCarriesWhatRedrivingNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(&eventLog{total: 2}, &fakeSink{answer: script(
			sink.BatchError{{Index: 1, Err: sink.Permanent(fmt.Errorf("kafka: %w", errors.New("too large")))}})})
		b.Transformer = verbatim{map[string]bool{id(0): true}}
		b.log.total, b.log.marks = 3, map[int]bool{0: true}
		b.catchUp(t)
		event, other := b.log.event(0), b.log.event(2)
		want := []sink.Reject{
			{
				Record: sink.Record{
					ID: event.ID, Organization: "acme", Action: event.Action, Format: "raw", Time: event.Time,
					Late: true, Replayed: true, OwnToken: true,
				},
				Raw: event.Raw, Reason: "transform: no such shape", Time: time.Now(),
			},
			{
				Record: sink.Record{ID: other.ID, Organization: "acme", Action: other.Action, Format: "raw", Time: other.Time, Body: other.Raw},
				Raw:    other.Raw, Reason: "kafka: too large", Time: time.Now(),
			},
		}
		if diff := cmp.Diff(want, b.stores.rejects); diff != "" {
			t.Errorf("rejects (-want +got):\n%s", diff)
		}
		if got, want := b.Status().Rejected, uint64(2); got != want {
			t.Errorf("status reports %d rejected, want %d", got, want)
		}
	})
}

// hintOfDistrust is the end of the reason of a lane that distrusts its sink. It must not
// name dead letters: the lane may have buried none.
const hintOfDistrust = "; hint: this error says why a record was refused: correct the destination, or raise max_rejects if the records really are bad"

func TestMaxRejects(t *testing.T) {
	everything := func(batch []sink.Record) error {
		var all sink.BatchError
		for i := range batch {
			all = append(all, sink.RecordError{Index: i, Err: permanent("no such index")})
		}
		return all
	}
	tests := []struct {
		name   string
		refuse func(batch []sink.Record) error
	}{
		{"each record named", everything},
		{"the batch as a whole", func([]sink.Record) error { return permanent("no such index") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				b := newRig(&eventLog{total: 40}, &fakeSink{answer: func(_ context.Context, _ int, batch []sink.Record) error {
					if broken.Load() {
						return test.refuse(batch)
					}
					return nil
				}})
				b.MaxRejects = 7
				stop := start(b.Lane)
				pass(time.Hour)
				synctest.Wait()
				if s := b.Status(); s.Ready || !strings.Contains(s.Reason, "7 records in a row were refused") ||
					!strings.Contains(s.Reason, "no such index") || !strings.HasSuffix(s.Reason, hintOfDistrust) {
					t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
				}
				if got, most := len(b.sink.publishes()), 200; got > most {
					t.Errorf("%d publishes in an hour, want at most %d", got, most)
				}
				broken.Store(false)
				pass(2 * time.Minute)
				synctest.Wait()
				if diff := cmp.Diff(ids(7, 40), b.sink.taken()); diff != "" {
					t.Errorf("delivered after the repair (-want +got):\n%s", diff)
				}
				if s := b.Status(); !s.Ready {
					t.Errorf("not ready after the repair: %s", s.Reason)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(ids(0, 7), b.stores.buried()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
			})
		})
	}
	t.Run("a delivery in between starts the count anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var odd []int
			for i := range 40 {
				if i%8 != 0 {
					odd = append(odd, i)
				}
			}
			b := newRig(&eventLog{total: 40}, refusing(odd...))
			b.MaxRejects = 7
			b.catchUp(t)
			if got, want := len(b.stores.buried()), len(odd); got != want {
				t.Errorf("%d dead letters, want %d", got, want)
			}
		})
	})
}

func TestFullDeadLettersStopTheLaneAndNotTheRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		full.Store(true)
		b := newRig(&eventLog{total: 30}, refusing(4))
		b.stores.putErr = func() error {
			if full.Load() {
				return sink.Hint(errors.New("dead letters take 1 GiB, which is full"), "redrive or remove some")
			}
			return nil
		}
		stop := start(b.Lane)
		pass(24 * time.Hour)
		synctest.Wait()
		if got, want := b.stores.last(), 0; got != want {
			t.Errorf("saved position %d while the reject is nowhere, want %d", got, want)
		}
		s := b.Status()
		if want := "bury: dead letters take 1 GiB, which is full (retrying since "; s.Ready || !strings.HasPrefix(s.Reason, want) ||
			!strings.HasSuffix(s.Reason, "; hint: redrive or remove some") {
			t.Errorf("ready %t, reason %q", s.Ready, s.Reason)
		}
		if len(s.Troubles) != 1 || s.Troubles[0].String() != s.Reason {
			t.Fatalf("troubles %+v, want one that says %q", s.Troubles, s.Reason)
		}
		got := s.Troubles[0]
		if want := (pipeline.Trouble{
			Operation: "bury", Err: "dead letters take 1 GiB, which is full", Hint: "redrive or remove some",
			Since: got.Since, Next: got.Next, Attempts: got.Attempts,
		}); got != want {
			t.Errorf("trouble %+v, want %+v", got, want)
		}
		if since, next := time.Since(got.Since), time.Until(got.Next); since < 23*time.Hour || next < 0 || next > time.Minute || got.Attempts < 1000 {
			t.Errorf("%d attempts in %s and the next in %s, want many in a day and the next within a minute", got.Attempts, since, next)
		}
		full.Store(false)
		pass(time.Minute)
		synctest.Wait()
		if s := b.Status(); !s.Ready {
			t.Errorf("not ready once there is room: %s", s.Reason)
		} else if s.Troubles != nil {
			t.Errorf("ready with troubles %+v", s.Troubles)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(ids(0, 4), ids(5, 30)...), b.sink.taken()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		if got, want := b.stores.last(), 30; got != want {
			t.Errorf("saved position %d, want %d", got, want)
		}
	})
}

// If each attempt delivers a part, the pauses do not grow. If none does, they do.
func TestProgressKeepsThePausesShort(t *testing.T) {
	const records = 40
	catchUp := func(t *testing.T, answer func(batch []sink.Record) error) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(&eventLog{total: records}, &fakeSink{})
			b.sink.answer = func(_ context.Context, _ int, batch []sink.Record) error { return answer(batch) }
			began := time.Now()
			b.catchUp(t)
			took = time.Since(began)
		})
		return took
	}
	part := func(batch []sink.Record) error {
		var named sink.BatchError
		for i := range batch[1:] {
			named = append(named, sink.RecordError{Index: i + 1, Err: errReset})
		}
		if len(named) == 0 {
			return nil
		}
		return named
	}
	if got, most := catchUp(t, part), records*time.Second; got > most {
		t.Errorf("one record an attempt took %s, want at most %s", got, most)
	}
	calls := 0
	nothing := func([]sink.Record) error {
		if calls++; calls < records {
			return errReset
		}
		return nil
	}
	if got, least := catchUp(t, nothing), records*10*time.Second; got < least {
		t.Errorf("%d attempts without a record took %s, want at least %s", records, got, least)
	}
}
