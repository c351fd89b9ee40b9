package sinktest

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

var rules = []rule{
	{"delivers every record once and in order", nil, deliversAll},
	{"takes an empty batch as done", nil, takesEmptyBatch},
	{"keeps nothing of a batch", nil, keepsNothing},
	{"takes as much as its limits allow", nil, takesItsLimits},
	{"checks without publishing", nil, checksQuietly},
	{"returns when the context has ended", nil, returnsOnEndedContext},
	{"goes on after Close where another sink ended", nil, goesOnAfterClose},
	{"closes without having published", nil, closesUnused},
	{"knows what its lane delivered before", nil, knowsItsHistory},
	{"retries a destination that is down", needsBreak, outlivesBreak},
	{"tells what a destination took before it failed", needsFalter, outlivesFalter},
	{"gives up a record that is refused for good", needsRefused, givesUpRefused},
	{"delivers what surrounds a refused record", needsRefused, deliversAroundRefused},
	{"returns from a hanging destination when the context ends", needsHang, leavesHangByContext},
	{"returns from a hanging destination when closed", needsHang, leavesHangByClose},
}

func needsBreak(h Harness) (string, bool)   { return "Break", h.Break == nil }
func needsFalter(h Harness) (string, bool)  { return "Falter", h.Falter == nil }
func needsRefused(h Harness) (string, bool) { return "Refused", h.Refused == nil }
func needsHang(h Harness) (string, bool)    { return "Hang", h.Hang == nil }

func deliversAll(s *session) {
	snk := s.open()
	var all []sink.Record
	for _, n := range []int{1, 10, 1, 100} {
		batch := s.records(n)
		s.publishWell(snk, batch)
		all = append(all, batch...)
	}
	s.expectExactly(all)
	s.close(snk)
	s.expectExactly(all)
}

// takesEmptyBatch publishes something behind the empty batches: once that has
// arrived, what they might have caused has too.
func takesEmptyBatch(s *session) {
	snk := s.open()
	for _, batch := range [][]sink.Record{nil, {}} {
		if err := s.wait("Publish", async(func() error { return snk.Publish(s.Context(), batch) })); err != nil {
			s.Errorf("Publish of an empty batch: %v", err)
		}
	}
	last := s.records(1)
	s.publishWell(snk, last)
	s.close(snk)
	s.expectExactly(last)
}

// keepsNothing reuses the memory of each batch as soon as Publish has returned
// (settle does) for batches of all the same shape, so that a record that is
// sent later carries other bytes.
func keepsNothing(s *session) {
	snk := s.open()
	var all []sink.Record
	for range 20 {
		batch := s.records(7)
		s.publishWell(snk, batch)
		all = append(all, batch...)
	}
	s.close(snk)
	s.expectExactly(all)
}

func takesItsLimits(s *session) {
	snk := s.open()
	limits := s.limits
	var batch []sink.Record
	for size := 0; len(batch) < limits.Records; {
		r := s.records(1)[0]
		if size += len(r.Body); size > limits.Bytes && len(batch) > 0 {
			break
		}
		batch = append(batch, r)
	}
	largest := s.Record(s.made, min(limits.RecordBytes, limits.Bytes))
	s.made++
	s.publishWell(snk, batch)
	s.publishWell(snk, []sink.Record{largest})
	s.expectExactly(append(batch, largest))
}

// limitsOf returns the limits with the defaults that package sink documents.
func limitsOf(snk sink.Sink) sink.Limits {
	var l sink.Limits
	if limiter, ok := snk.(sink.Limiter); ok {
		l = limiter.Limits()
	}
	l.Records = cmp.Or(l.Records, 10_000)
	l.Bytes = cmp.Or(l.Bytes, 4<<20)
	l.RecordBytes = cmp.Or(l.RecordBytes, 1<<20)
	return l
}

func checksQuietly(s *session) {
	snk := s.open()
	checker, ok := snk.Sink.(sink.Checker)
	if !ok {
		s.Logf("not checked: the sink is no sink.Checker")
		return
	}
	err := s.wait("Check", async(func() error {
		line, err := checker.Check(s.Context())
		if err == nil && line == "" {
			return errors.New("no error, and not a word on what was seen")
		}
		return err
	}))
	if err != nil {
		s.Errorf("Check of a destination that is well: %v", err)
	}
	last := s.records(1)
	s.publishWell(snk, last)
	s.close(snk)
	s.expectExactly(last)
}

func knowsItsHistory(s *session) {
	snk := s.open()
	if _, ok := snk.Sink.(sink.History); !ok {
		s.Logf("not checked: the sink is no sink.History")
		return
	}
	if found := s.traces(snk); found != (sink.Traces{}) {
		s.Errorf("traces in a fresh destination: %+v", found)
	}
	batch := s.records(3)
	s.publishWell(snk, batch)
	s.close(snk)
	again := s.open()
	if s.traces(again).Found == "" {
		s.Errorf("no traces after %d records were delivered", len(batch))
	}
	s.close(again)
	s.expectExactly(batch)
}

func (s *session) traces(snk *opened) (found sink.Traces) {
	s.Helper()
	err := s.within("Traces", func(ctx context.Context) (err error) {
		found, err = snk.Sink.(sink.History).Traces(ctx)
		return err
	})
	if err != nil {
		s.Errorf("Traces: %v", err)
	}
	return found
}

func returnsOnEndedContext(s *session) {
	snk := s.open()
	ended, cancel := context.WithCancel(s.Context())
	cancel()
	early, later := s.records(3), s.records(3)
	s.expectRetryable(s.publishUnder(ended, snk, early), "the context had ended")
	s.expectAllDelivered(snk, later)
	s.expectAllDelivered(snk, early)
	s.expectOnly(append(early, later...))
}

// expectRetryable checks that trouble with the destination is not blamed on a
// record: a lane would give that record up.
func (s *session) expectRetryable(err error, because string) {
	s.Helper()
	if sink.IsPermanent(err) {
		s.Errorf("a permanent error, although %s and nothing is wrong with the records: %v", because, err)
	}
}

func goesOnAfterClose(s *session) {
	snk := s.open()
	first, second := s.records(5), s.records(5)
	s.publishWell(snk, first)
	s.close(snk)
	snk = s.open()
	s.publishWell(snk, second)
	s.close(snk)
	s.expectExactly(append(first, second...))
}

func closesUnused(s *session) {
	s.close(s.open())
	s.expectExactly(nil)
}

// outlivesBreak has the destination fail before anything was published, and
// again between two batches: connections then are in other states.
func outlivesBreak(s *session) {
	snk := s.open()
	var all []sink.Record
	for range 2 {
		batch, next := s.records(5), s.records(5)
		s.Break(s.TB)
		for range 2 {
			s.expectRetryable(s.publish(snk, batch), "the destination was down")
		}
		s.Repair(s.TB)
		s.expectAllDelivered(snk, batch)
		s.expectAllDelivered(snk, next)
		all = append(append(all, batch...), next...)
	}
	s.close(snk)
	s.expectAll("all were delivered", all)
	s.expectOnly(all)
}

// expectAllDelivered delivers records with which nothing is wrong.
func (s *session) expectAllDelivered(snk sink.Sink, records []sink.Record) {
	s.Helper()
	if refused := s.deliver(snk, records); len(refused) > 0 {
		s.Errorf("%d records were given up as permanently refused that the destination takes, the first %s", len(refused), clip(refused[0]))
	}
}

func outlivesFalter(s *session) {
	snk := s.open()
	size := min(6, s.limits.Records)
	var all []sink.Record
	for n := range size {
		batch := s.records(size)
		s.Falter(s.TB, n)
		s.expectRetryable(s.publish(snk, batch), "the destination failed in the middle of the batch")
		s.Repair(s.TB)
		s.expectAllDelivered(snk, batch)
		all = append(all, batch...)
	}
	s.close(snk)
	s.expectAll("all were delivered", all)
	s.expectOnly(all)
}

func givesUpRefused(s *session) {
	snk := s.open()
	bad := s.Refused(s.TB)
	before, after := s.records(2), s.records(2)
	s.publishWell(snk, before)
	if err := s.publish(snk, []sink.Record{bad}); !sink.IsPermanent(err) {
		s.Errorf("Publish of a record that is refused for good: got %v, want a permanent error", err)
	}
	s.publishWell(snk, after)
	s.close(snk)
	s.expectOnly(append(before, after...))
}

// deliversAroundRefused has the refused record at the start, in the middle and
// at the end of a batch, and two of them at once.
func deliversAroundRefused(s *session) {
	snk := s.open()
	var all []sink.Record
	for _, places := range [][]int{{0}, {3}, {6}, {2, 5}} {
		batch := s.records(7)
		bad := make(map[int]bool)
		for _, i := range places {
			i %= len(batch)
			batch[i] = s.Refused(s.TB)
			bad[i] = true
		}
		if refused := s.deliver(snk, batch); len(refused) != len(bad) {
			s.Errorf("of a batch with %d bad records %d were given up", len(bad), len(refused))
		}
		for i := range batch {
			if !bad[i] {
				all = append(all, batch[i])
			}
		}
	}
	s.close(snk)
	s.expectAll("only others in their batches were refused", all)
	s.expectOnly(all)
}

func leavesHangByContext(s *session) {
	snk := s.open()
	batch, next := s.records(3), s.records(3)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	l, done := s.hang(ctx, snk, batch)
	cancel()
	err := s.wait("Publish, after its context ended,", done)
	s.Repair(s.TB)
	s.expectRetryable(s.settle(l, batch, err), "the destination hung")
	s.expectAllDelivered(snk, batch)
	s.expectAllDelivered(snk, next)
	s.close(snk)
	s.expectOnly(append(batch, next...))
}

// leavesHangByClose closes the sink as a lane does that abandons a Publish: its
// context has ended, and it may not have returned all the same.
func leavesHangByClose(s *session) {
	snk := s.open()
	batch := s.records(3)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	l, done := s.hang(ctx, snk, batch)
	cancel()
	snk.closed = true
	if err := s.wait("Close", async(snk.Close)); err != nil {
		s.Logf("Close during a Publish that hangs: %v", err) // which it may well report
	}
	err := s.wait("Publish, after Close,", done)
	s.Repair(s.TB)
	s.expectRetryable(s.settle(l, batch, err), "the sink was closed")
	again := s.open()
	s.expectAllDelivered(again, batch)
	s.close(again)
	s.expectOnly(batch)
}

// hang starts a Publish and returns once the destination holds it up.
func (s *session) hang(ctx context.Context, snk sink.Sink, batch []sink.Record) (*loan, <-chan error) {
	s.Helper()
	reached := s.Hang(s.TB)
	l := lend(batch)
	done := async(func() error { return snk.Publish(ctx, l.batch) })
	timeout := time.NewTimer(s.Patience)
	defer timeout.Stop()
	select {
	case <-reached:
	case err := <-done:
		s.Fatalf("Publish to a destination that hangs returned at once: %v", err)
	case <-timeout.C:
		s.Fatalf("Publish has not met the destination that hangs after %v", s.Patience)
	}
	return l, done
}
