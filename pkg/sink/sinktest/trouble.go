package sinktest

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// outlivesBreak makes the destination fail before the first Publish, and again
// between two batches: connections are in different states then.
func outlivesBreak(s *session) {
	snk := s.open()
	var all []sink.Record
	for range 2 {
		batch, next := s.records(5), s.records(5)
		s.upset(s.Break)
		for range 2 {
			s.expectRetryable(s.publish(snk, batch), "the destination was down")
		}
		s.repair()
		s.expectAllDelivered(snk, batch)
		s.expectAllDelivered(snk, next)
		all = append(append(all, batch...), next...)
	}
	s.close(snk)
	s.expectAll("all were delivered", all)
	s.expectOnly(all)
}

// expectAllDelivered delivers good records.
func (s *session) expectAllDelivered(snk sink.Sink, records []sink.Record) {
	s.Helper()
	if refused := s.deliver(snk, records); len(refused) > 0 {
		s.Errorf("%d good records got a permanent error, the first %s", len(refused), clip(refused[0]))
	}
}

func outlivesFalter(s *session) {
	snk := s.open()
	size := min(6, s.limits.Records)
	var all []sink.Record
	for n := range size {
		batch := s.records(size)
		s.upset(func(t testing.TB) { s.Falter(t, n) })
		s.expectRetryable(s.publish(snk, batch), "the destination failed in the middle of the batch")
		s.repair()
		s.expectAllDelivered(snk, batch)
		all = append(all, batch...)
	}
	s.close(snk)
	s.expectAll("all were delivered", all)
	s.expectOnly(all)
}

func rejectsRefused(s *session) {
	snk := s.open()
	bad := s.refused()
	before, after := s.records(2), s.records(2)
	s.publishWell(snk, before)
	if err := s.publish(snk, []sink.Record{bad}); !sink.IsPermanent(err) {
		s.Errorf("Publish of a refused record: got %v, want a permanent error", err)
	}
	s.publishWell(snk, after)
	s.close(snk)
	s.expectOnly(append(before, after...))
}

// deliversAroundRefused puts a refused record at the start, in the middle and at
// the end of a batch, and then two in one batch.
func deliversAroundRefused(s *session) {
	snk := s.open()
	var all []sink.Record
	for _, places := range [][]int{{0}, {3}, {6}, {2, 5}} {
		batch := s.records(7)
		bad := make(map[int]bool)
		for _, i := range places {
			i %= len(batch)
			batch[i] = s.refused()
			bad[i] = true
		}
		if refused := s.deliver(snk, batch); len(refused) != len(bad) {
			s.Errorf("in a batch with %d bad records %d got a permanent error", len(bad), len(refused))
		}
		for i := range batch {
			if !bad[i] {
				all = append(all, batch[i])
			}
		}
	}
	s.close(snk)
	s.expectAll("only other records of their batches were refused", all)
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
	s.repair()
	s.expectRetryable(s.settle(l, batch, err), "the destination hung")
	s.expectAllDelivered(snk, batch)
	s.expectAllDelivered(snk, next)
	s.close(snk)
	s.expectOnly(append(batch, next...))
}

// leavesHangByClose closes the sink as a lane does when it abandons a Publish: the
// context of the Publish has ended, but the Publish may not have returned.
func leavesHangByClose(s *session) {
	snk := s.open()
	batch := s.records(3)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	l, done := s.hang(ctx, snk, batch)
	cancel()
	snk.closed = true
	if err := s.wait("Close", async(snk.Close)); err != nil {
		s.Logf("Close during a Publish that hangs: %v", err) // this is allowed
	}
	err := s.wait("Publish, after Close,", done)
	s.repair()
	s.expectRetryable(s.settle(l, batch, err), "the sink was closed")
	again := s.open()
	s.expectAllDelivered(again, batch)
	s.close(again)
	s.expectOnly(batch)
}

// hang starts a Publish and returns once the destination makes it hang.
func (s *session) hang(ctx context.Context, snk sink.Sink, batch []sink.Record) (*loan, <-chan error) {
	s.Helper()
	var reached <-chan struct{}
	s.upset(func(t testing.TB) { reached = s.Hang(t) })
	l := lend(batch)
	done := async(func() error { return snk.Publish(ctx, l.batch) })
	timeout := time.NewTimer(s.Patience)
	defer timeout.Stop()
	select {
	case <-reached:
	case err := <-done:
		s.Fatalf("Publish to a destination that hangs returned at once: %v", err)
	case <-timeout.C:
		s.Fatalf("Publish has not reached the destination that hangs after %v", s.Patience)
	}
	return l, done
}
