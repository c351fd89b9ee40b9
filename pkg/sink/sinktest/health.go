package sinktest

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

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

// takesEmptyBatch publishes a record after the empty batches: once that record has
// arrived, anything that the empty batches sent has arrived too.
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

// keepsNothing publishes batches of the same shape. settle overwrites the memory of
// each batch as soon as Publish has returned, so a record that is sent later carries
// other bytes.
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
	largest := s.record(min(limits.RecordBytes, limits.Bytes))
	s.publishWell(snk, batch)
	s.publishWell(snk, []sink.Record{largest})
	s.expectExactly(append(batch, largest))
}

// decidesAboutOld mixes records that are older than the destination takes with others. A
// lane sends them, too, unless it is told otherwise.
func decidesAboutOld(s *session) {
	snk := s.open()
	if s.limits.OldestEvent == 0 {
		s.Logf("not checked: the sink's limits have no OldestEvent")
		return
	}
	batch := s.records(7)
	var young []sink.Record
	for i := range batch {
		if i%3 == 0 {
			batch[i].Time = time.Now().Add(-2 * s.limits.OldestEvent)
		} else {
			young = append(young, batch[i])
		}
	}
	for _, body := range s.deliver(snk, batch) {
		if absent(young, [][]byte{body}) < len(young) {
			s.Errorf("a record of just now got a permanent error beside older ones: %s", clip(body))
		}
	}
	s.close(snk)
	s.expectAll("only older records of their batch may be refused", young)
	s.expectOnly(batch)
}

// limitsOf returns the sink's limits, with the defaults of package sink.
func limitsOf(snk sink.Sink) sink.Limits {
	var l sink.Limits
	if limiter, ok := snk.(sink.Limiter); ok {
		l = limiter.Limits()
	}
	l = l.WithDefaults()
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
			return errors.New("returned no error and an empty string, want what it found")
		}
		return err
	}))
	if err != nil {
		s.Errorf("Check of a healthy destination: %v", err)
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

// expectRetryable checks that the sink does not blame a record for trouble of the
// destination: a lane would reject that record.
func (s *session) expectRetryable(err error, because string) {
	s.Helper()
	if sink.IsPermanent(err) {
		s.Errorf("got a permanent error, want a retryable one: %s, and the records are good: %v", because, err)
	}
}

func continuesAfterClose(s *session) {
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
