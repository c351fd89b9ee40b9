package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	defaultPatience = 10 * time.Second
	// attempt is the time a Publish is given while the destination is in trouble.
	// Some sinks try for as long as their context lives.
	attempt = 2 * time.Second
	// glance is how often a state that is waited for is looked at.
	glance = 5 * time.Millisecond
)

// session is a rule being checked.
type session struct {
	testing.TB
	Harness
	made   int         // records made so far
	limits sink.Limits // of the sink that was opened last
}

func newSession(t testing.TB, h Harness) *session {
	if h.Record == nil {
		h.Record = madeRecord
	}
	if h.Patience == 0 {
		h.Patience = defaultPatience
	}
	return &session{TB: t, Harness: h}
}

// open opens a sink that is closed at the end, unless it was by then.
func (s *session) open() *opened {
	s.Helper()
	o := &opened{Sink: s.Open(s.TB)}
	s.limits = limitsOf(o.Sink)
	s.Cleanup(func() {
		if !o.closed {
			s.close(o)
		}
	})
	return o
}

type opened struct {
	sink.Sink
	closed bool
}

// close closes a sink that has nothing under way.
func (s *session) close(o *opened) {
	s.Helper()
	o.closed = true
	if err := s.wait("Close", async(o.Close)); err != nil {
		s.Errorf("Close: %v", err)
	}
}

// records makes n records that were not published before, or as many as the sink
// takes at once.
func (s *session) records(n int) []sink.Record {
	all := make([]sink.Record, min(n, s.limits.Records))
	for i := range all {
		all[i] = s.Record(s.made, 0)
		s.made++
	}
	return all
}

func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// wait returns what was sent, and fails the test if that takes too long.
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

// publish lends the records to the sink, once, and checks what holds for every
// Publish however it ends. The destination may be in trouble.
func (s *session) publish(snk sink.Sink, records []sink.Record) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), min(attempt, s.Patience))
	defer cancel()
	return s.publishUnder(ctx, snk, records)
}

// publishWell is publish where the destination is well.
func (s *session) publishWell(snk sink.Sink, records []sink.Record) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.Patience)
	defer cancel()
	if err := s.publishUnder(ctx, snk, records); err != nil {
		s.Fatalf("Publish of %d records to a destination that is well: %v", len(records), err)
	}
}

func (s *session) publishUnder(ctx context.Context, snk sink.Sink, records []sink.Record) error {
	s.Helper()
	l := lend(records)
	return s.settle(l, records, s.wait("Publish", async(func() error { return snk.Publish(ctx, l.batch) })))
}

// settle takes the loan back once Publish has returned err, and holds the sink
// to what it claims by that: nil of all records, a BatchError of those it does
// not name.
func (s *session) settle(l *loan, records []sink.Record, err error) error {
	s.Helper()
	if what := l.changed(); what != "" {
		s.Errorf("Publish changed what it was lent: %s", what)
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

// unnamed returns the records that the error says were delivered.
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

// deliver publishes until all records are settled, as a lane does: what may be
// retried is, and of several records of which one is bad the bad one is found.
// It returns the bodies of those refused for good.
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
			s.Fatalf("%d records are still not settled after %v; the last error: %v", len(again), s.Patience, err)
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

// expectAll waits until the destination holds each of the records at least once.
func (s *session) expectAll(because string, records []sink.Record) {
	s.Helper()
	var missing int
	if !s.becomes(func(got [][]byte) bool { missing = absent(records, got); return missing == 0 }) {
		s.Fatalf("%d of %d records have not arrived after %v, although %s", missing, len(records), s.Patience, because)
	}
}

// expectExactly waits until the destination holds the records, each once, in
// their order, and nothing else.
func (s *session) expectExactly(records []sink.Record) {
	s.Helper()
	want := bodies(records)
	var got [][]byte
	if !s.becomes(func(g [][]byte) bool { got = g; return len(g) >= len(want) }) {
		s.Errorf("%d of %d records have arrived after %v", len(got), len(want), s.Patience)
		return
	}
	if what := compare(want, got); what != "" {
		s.Errorf("%s", what)
	}
}

// expectOnly checks that the destination holds nothing that is not one of these.
func (s *session) expectOnly(records []sink.Record) {
	s.Helper()
	known := make(map[string]bool)
	for _, r := range records {
		known[string(r.Body)] = true
	}
	for i, body := range s.Received(s.TB) {
		if !known[string(body)] {
			s.Errorf("what arrived at place %d is none of the records: %s", i, clip(body))
		}
	}
}

// becomes looks at what was received until ok, for as long as patience lasts.
func (s *session) becomes(ok func([][]byte) bool) bool {
	s.Helper()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		if ok(s.Received(s.TB)) {
			return true
		}
		if time.Since(start) > s.Patience {
			return false
		}
	}
}

func bodies(records []sink.Record) [][]byte {
	all := make([][]byte, len(records))
	for i := range records {
		all[i] = records[i].Body
	}
	return all
}

func absent(records []sink.Record, got [][]byte) (n int) {
	have := make(map[string]bool, len(got))
	for _, b := range got {
		have[string(b)] = true
	}
	for _, r := range records {
		if !have[string(r.Body)] {
			n++
		}
	}
	return n
}

// compare says where got first differs from want; empty if it does not.
func compare(want, got [][]byte) string {
	for i := range min(len(want), len(got)) {
		if bytes.Equal(want[i], got[i]) {
			continue
		}
		for j := range want {
			if bytes.Equal(want[j], got[i]) {
				return fmt.Sprintf("at place %d there is record %d: records were repeated, lost, or changed places", i, j)
			}
		}
		return fmt.Sprintf("record %d was changed\n got %s\nwant %s", i, clip(got[i]), clip(want[i]))
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d records arrived, %d were published", len(got), len(want))
	}
	return ""
}

// clip bounds what a failure prints of a body.
func clip(b []byte) string {
	const most = 300
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
