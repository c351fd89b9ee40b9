package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	defaultPatience = 10 * time.Second
	// attempt is the deadline of a Publish while the destination is in trouble.
	// Some sinks try until their context ends.
	attempt = 2 * time.Second
	// glance is the interval between checks of an expected state.
	glance = 5 * time.Millisecond
)

// session is the check of one rule.
type session struct {
	testing.TB
	Harness
	made    int             // records made so far
	known   map[string]bool // their bodies
	limits  sink.Limits     // of the last opened sink
	trouble bool            // the destination needs Repair
}

func newSession(t testing.TB, h Harness) *session {
	t.Helper()
	switch {
	case h.Open == nil || h.Received == nil:
		t.Fatalf("Harness.Open or Harness.Received is nil: the suite needs both")
	case h.Repair == nil && (h.Break != nil || h.Falter != nil || h.Hang != nil):
		t.Fatalf("Harness.Repair is nil: the suite needs it with Break, Falter or Hang")
	}
	if h.Record == nil {
		h.Record = madeRecord
	}
	if h.Patience == 0 {
		h.Patience = defaultPatience
	}
	return &session{TB: t, Harness: h, known: map[string]bool{}}
}

// open opens a sink. Unless the rule closes it, it is closed at the end. The destination
// is repaired before: a sink that hangs could not be closed, nor could the destination.
func (s *session) open() *opened {
	s.Helper()
	o := &opened{}
	s.call("Harness.Open", func() { o.Sink = s.Open(s.TB) })
	s.limits = limitsOf(o.Sink)
	s.Cleanup(func() {
		s.repair()
		if !o.closed {
			s.close(o)
		}
	})
	return o
}

// call runs f, and fails if it does not return in time. If f ends the test, so does call.
func (s *session) call(what string, f func()) {
	s.Helper()
	done := make(chan error, 1)
	go func() {
		err := errors.New("the test has ended")
		defer func() { done <- err }()
		f()
		err = nil
	}()
	if s.wait(what, done) != nil {
		s.FailNow()
	}
}

// upset brings the destination into trouble.
func (s *session) upset(trouble func(testing.TB)) {
	s.Helper()
	s.trouble = true
	s.call("Harness.Break, Falter or Hang", func() { trouble(s.TB) })
}

// repair ends the trouble.
func (s *session) repair() {
	s.Helper()
	if s.trouble {
		s.trouble = false
		s.call("Harness.Repair", func() { s.Repair(s.TB) })
	}
}

// received returns the bodies that the destination has taken.
func (s *session) received() (bodies [][]byte) {
	s.Helper()
	s.call("Harness.Received", func() { bodies = s.Received(s.TB) })
	return bodies
}

type opened struct {
	sink.Sink
	closed bool
}

// close closes a sink without an unfinished Publish.
func (s *session) close(o *opened) {
	s.Helper()
	o.closed = true
	if err := s.wait("Close", async(o.Close)); err != nil {
		s.Errorf("Close: %v", err)
	}
}

// records makes n new records, or fewer if the sink's limit for a batch is lower.
func (s *session) records(n int) []sink.Record {
	all := make([]sink.Record, min(n, s.limits.Records))
	for i := range all {
		all[i] = s.record(0)
	}
	return all
}

// record makes a new record, of a size in bytes; 0 leaves it to the harness. It is young
// enough for the destination.
func (s *session) record(size int) sink.Record {
	r := s.Record(s.made, size)
	if s.limits.OldestEvent > 0 {
		r.Time = time.Now()
	}
	s.made++
	s.known[string(r.Body)] = true
	return r
}

// refused makes a record that the destination refuses.
func (s *session) refused() sink.Record {
	r := s.Refused(s.TB)
	s.known[string(r.Body)] = true
	return r
}

func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// wait returns the result of the method what, and fails the test if it does not
// return in time.
func (s *session) wait(what string, done <-chan error) error {
	s.Helper()
	timeout := time.NewTimer(s.Patience)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case <-timeout.C:
		s.Fatalf("%s has not returned after %v", what, s.Patience)
		return nil
	}
}

// publish publishes the records once, and checks what must hold for every Publish.
// The destination may be in trouble.
func (s *session) publish(snk sink.Sink, records []sink.Record) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), min(attempt, s.Patience))
	defer cancel()
	return s.publishUnder(ctx, snk, records)
}

// publishWell publishes the records to a healthy destination, which must succeed.
func (s *session) publishWell(snk sink.Sink, records []sink.Record) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.Patience)
	defer cancel()
	if err := s.publishUnder(ctx, snk, records); err != nil {
		s.Fatalf("Publish of %d records to a healthy destination: %v", len(records), err)
	}
}

func (s *session) publishUnder(ctx context.Context, snk sink.Sink, records []sink.Record) error {
	s.Helper()
	l := lend(records)
	return s.settle(l, records, s.wait("Publish", async(func() error { return snk.Publish(ctx, l.batch) })))
}

// settle takes the loan back once Publish has returned err, and checks the records
// that err reports as delivered: all of them if it is nil, those it does not name if
// it is a BatchError.
func (s *session) settle(l *loan, records []sink.Record, err error) error {
	s.Helper()
	if what := l.changed(); what != "" {
		s.Errorf("Publish changed the batch: %s", what)
	}
	l.takeBack()
	if err == nil {
		s.expectAll("Publish returned nil", records)
		return nil
	}
	var partial sink.BatchError
	if errors.As(err, &partial) {
		s.expectAll("a BatchError does not name them", s.unnamed(partial, records))
	}
	return err
}

// unnamed returns the records that the error reports as delivered.
func (s *session) unnamed(partial sink.BatchError, records []sink.Record) []sink.Record {
	s.Helper()
	if len(partial) == 0 {
		s.Fatalf("BatchError names no record; return nil or a plain error")
	}
	named := make(map[int]bool)
	for _, e := range partial {
		switch {
		case e.Index < 0 || e.Index >= len(records):
			s.Fatalf("BatchError names record %d of a batch of %d", e.Index, len(records))
		case named[e.Index]:
			s.Fatalf("BatchError names record %d twice", e.Index)
		case e.Err == nil:
			s.Fatalf("BatchError names record %d without an error", e.Index)
		}
		named[e.Index] = true
	}
	var rest []sink.Record
	for i := range records {
		if !named[i] {
			rest = append(rest, records[i])
		}
	}
	return rest
}

// deliver publishes until every record is delivered or refused for good, as a lane
// does: it retries, and bisects a batch to find a bad record. It returns the bodies
// of the refused records.
func (s *session) deliver(snk sink.Sink, records []sink.Record) (refused [][]byte) {
	s.Helper()
	pause := time.NewTicker(glance)
	defer pause.Stop()
	for start := time.Now(); ; <-pause.C {
		again, bad, err := s.deliverOnce(snk, records)
		refused = append(refused, bad...)
		if len(again) == 0 {
			return refused
		}
		if time.Since(start) > s.Patience {
			s.Fatalf("%d records are still not delivered after %v; the last error: %v", len(again), s.Patience, err)
		}
		records = again
	}
}

func (s *session) deliverOnce(snk sink.Sink, records []sink.Record) (again []sink.Record, bad [][]byte, err error) {
	s.Helper()
	err = s.publish(snk, records)
	var partial sink.BatchError
	switch {
	case err == nil:
		return nil, nil, nil
	case errors.As(err, &partial):
		for _, e := range partial {
			if sink.IsPermanent(e.Err) {
				bad = append(bad, records[e.Index].Body)
			} else {
				again = append(again, records[e.Index])
			}
		}
		return again, bad, err
	case !sink.IsPermanent(err):
		return records, nil, err
	case len(records) == 1:
		return nil, [][]byte{records[0].Body}, err
	}
	for _, half := range [][]sink.Record{records[:len(records)/2], records[len(records)/2:]} {
		a, b, e := s.deliverOnce(snk, half)
		again, bad, err = append(again, a...), append(bad, b...), errors.Join(err, e)
	}
	return again, bad, err
}
