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

// RunLedger checks the rules for a sink.Ledger, each in a subtest of its own. Use it
// in addition to Run. Here the sinks opened from one Harness belong to the same
// lane, as two instances of it would, and may be open at once. Received returns
// only committed records.
func RunLedger(t *testing.T, setup func(t testing.TB) Harness) {
	t.Helper()
	suiteOf(ledgerRules).Run(t, setup)
}

const (
	takeLanes  = "Position takes the lane from other instances; from then on their PublishAt returns sink.ErrMoved"
	commitOnce = "records, rejects and the position are one atomic step: all of them or none"
)

var ledgerRules = []rule{
	{"moves the position with the records", nil, movesWithRecords, commitOnce},
	{"lets only the instance that took the lane last commit", nil, fencesThePredecessor, takeLanes},
	{"looks without taking", nil, looksQuietly, "Look reads the position and takes nothing"},
	{"proves what its lane delivered before", nil, provesItsHistory, "Traces proves a delivery by what is committed of the lane, and takes nothing"},
	{"returns ErrMoved after a person set the position", nil, findsASetPosition, takeLanes},
	{"commits nothing if a record is refused", needsRefused, commitsNothingWithRefused, commitOnce},
	{"commits a batch once although the destination was down", needsBreak, commitsOnce, commitOnce},
}

// ledger opens a sink that must be a Ledger.
func (s *session) ledger() sink.Ledger {
	s.Helper()
	l, ok := s.open().Sink.(sink.Ledger)
	if !ok {
		s.Fatalf("the sink is no sink.Ledger")
	}
	return l
}

// within calls f with a context that ends when patience runs out.
func (s *session) within(what string, f func(context.Context) error) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.Patience)
	defer cancel()
	return s.wait(what, async(func() error { return f(ctx) }))
}

// expectPosition takes the lane and checks the position.
func (s *session) expectPosition(l sink.Ledger, want string) {
	s.Helper()
	err := s.within("Position", func(ctx context.Context) error {
		got, err := l.Position(ctx)
		if err == nil && string(got) != want {
			s.Errorf("got position %q, want %q", got, want)
		}
		return err
	})
	if err != nil {
		s.Fatalf("Position: %v", err)
	}
}

func (s *session) publishAt(l sink.Ledger, records []sink.Record, rejects []sink.Reject, pos string) error {
	s.Helper()
	loan := lend(records)
	err := s.within("PublishAt", func(ctx context.Context) error { return l.PublishAt(ctx, loan.batch, rejects, []byte(pos)) })
	if what := loan.changed(); what != "" {
		s.Errorf("PublishAt changed the batch: %s", what)
	}
	loan.takeBack()
	return err
}

func (s *session) commit(l sink.Ledger, records []sink.Record, pos string) {
	s.Helper()
	if err := s.publishAt(l, records, nil, pos); err != nil {
		s.Fatalf("PublishAt by the instance that has the lane: %v", err)
	}
}

func movesWithRecords(s *session) {
	first := s.ledger()
	s.expectPosition(first, "")
	batch := s.records(10)
	s.commit(first, batch, `{"at":1}`)
	s.commit(first, nil, `{"at":2}`)
	second := s.ledger()
	s.expectPosition(second, `{"at":2}`)
	more := s.records(3)
	s.commit(second, more, `{"at":3}`)
	s.expectPosition(s.ledger(), `{"at":3}`)
	s.expectExactly(append(batch, more...))
}

func fencesThePredecessor(s *session) {
	first, second := s.ledger(), s.ledger()
	s.expectPosition(first, "")
	batch := s.records(5)
	s.commit(first, batch, `1`)
	s.expectPosition(second, `1`)
	mine, others := s.records(2), s.records(2)
	if s.publishAt(first, mine, nil, `"first"`) == nil {
		s.Fatalf("PublishAt by an instance that no longer has the lane returned nil")
	}
	s.commit(second, others, `"second"`)
	s.untilMoved(first, mine)
	s.expectPosition(first, `"second"`)
	s.expectExactly(append(batch, others...))
}

// untilMoved publishes again, as a lane would, until PublishAt returns ErrMoved.
func (s *session) untilMoved(l sink.Ledger, records []sink.Record) {
	s.Helper()
	pause := time.NewTicker(glance)
	defer pause.Stop()
	for start := time.Now(); ; <-pause.C {
		err := s.publishAt(l, records, nil, `"mine"`)
		switch {
		case errors.Is(err, sink.ErrMoved):
			return
		case err == nil:
			s.Fatalf("PublishAt returned nil although the position was moved elsewhere")
		case time.Since(start) > s.Patience:
			s.Fatalf("PublishAt does not return ErrMoved although the position was moved elsewhere; the last error: %v", err)
		}
	}
}

func looksQuietly(s *session) {
	running, looking := s.ledger(), s.ledger()
	s.expectPosition(running, "")
	began := time.Now().Add(-time.Minute) // the destination's clock may differ
	s.commit(running, s.records(1), `1`)
	err := s.within("Look", func(ctx context.Context) error {
		pos, saved, err := looking.Look(ctx)
		if err == nil && (string(pos) != `1` || saved.Before(began)) {
			s.Errorf("got %q saved at %v, want 1, saved just now", pos, saved)
		}
		return err
	})
	if err != nil {
		s.Fatalf("Look: %v", err)
	}
	s.commit(running, s.records(1), `2`)
}

// provesItsHistory looks for traces while the lane runs. The lane must still be able
// to commit.
func provesItsHistory(s *session) {
	running, looking := s.ledger(), s.open()
	if _, ok := looking.Sink.(sink.History); !ok {
		s.Logf("not checked: the sink is no sink.History")
		return
	}
	s.expectPosition(running, "")
	s.commit(running, nil, `1`)
	if found := s.traces(looking); found.Proof {
		s.Errorf("got proof that the lane delivered before it delivered anything: %+v", found)
	}
	batch := s.records(3)
	s.commit(running, batch, `2`)
	if found := s.traces(looking); !found.Proof || found.Found == "" {
		s.Errorf("no proof after %d records were committed: %+v", len(batch), found)
	}
	s.commit(running, nil, `3`)
	s.expectExactly(batch)
}

func findsASetPosition(s *session) {
	running, person := s.ledger(), s.ledger()
	s.expectPosition(running, "")
	batch := s.records(1)
	s.commit(running, batch, `1`)
	chosen := func(former []byte) ([]byte, error) {
		if string(former) != `1` {
			s.Errorf("Set: the position that it replaces is %s, want 1", former)
		}
		return []byte(`"chosen"`), nil
	}
	if err := s.within("Set", func(ctx context.Context) error { return person.Set(ctx, chosen) }); err != nil {
		s.Fatalf("Set: %v", err)
	}
	s.untilMoved(running, s.records(1))
	s.expectPosition(running, `"chosen"`)
	s.expectExactly(batch)
}

func commitsNothingWithRefused(s *session) {
	l := s.ledger()
	s.expectPosition(l, "")
	good, bad := s.records(6), s.refused()
	mixed := append(append(append([]sink.Record(nil), good[:3]...), bad), good[3:]...)
	err := s.publishAt(l, mixed, nil, `1`)
	var named sink.BatchError
	if !errors.As(err, &named) || len(named) != 1 || named[0].Index != 3 || !sink.IsPermanent(named[0].Err) {
		s.Fatalf("got %v, want a BatchError with a permanent error for record 3", err)
	}
	if got := s.received(); len(got) > 0 {
		s.Errorf("%d records were committed although one was refused", len(got))
	}
	rejects := []sink.Reject{{Record: bad, Raw: bad.Body, Reason: "refused", Time: time.Now()}}
	s.expectRejects(l)
	if err := s.publishAt(l, good, rejects, `1`); err != nil {
		s.Fatalf("PublishAt with the record as a reject: %v", err)
	}
	s.expectRejects(l, rejects...)
	s.expectPosition(l, `1`)
	s.expectExactly(good)
}

// expectRejects checks the dead letters.
func (s *session) expectRejects(l sink.Ledger, want ...sink.Reject) {
	s.Helper()
	err := s.within("Rejects", func(ctx context.Context) error {
		var got []sink.Reject
		for r, err := range l.Rejects(ctx) {
			if err != nil {
				return err
			}
			got = append(got, r)
		}
		if len(got) != len(want) {
			return fmt.Errorf("got %d, want %d", len(got), len(want))
		}
		for i, w := range want {
			g := got[i]
			if g.Record.ID != w.Record.ID || g.Reason != w.Reason || !bytes.Equal(g.Raw, w.Raw) || !bytes.Equal(g.Record.Body, w.Record.Body) || !g.Time.Equal(w.Time) {
				return fmt.Errorf("got event %s of %s, refused with %q, want event %s of %s, refused with %q, and the same bytes",
					g.Record.ID, g.Time, g.Reason, w.Record.ID, w.Time, w.Reason)
			}
		}
		return nil
	})
	if err != nil {
		s.Errorf("dead letters: %v", err)
	}
}

func commitsOnce(s *session) {
	l := s.ledger()
	s.expectPosition(l, "")
	batch := s.records(4)
	s.upset(s.Break)
	ctx, cancel := context.WithTimeout(s.Context(), min(attempt, s.Patience))
	defer cancel()
	if err := s.wait("PublishAt", async(func() error { return l.PublishAt(ctx, batch, nil, []byte(`1`)) })); err == nil {
		s.Errorf("PublishAt to a destination that is down returned nil")
	}
	s.repair()
	pause := time.NewTicker(glance)
	defer pause.Stop()
	for start := time.Now(); ; <-pause.C {
		err := s.publishAt(l, batch, nil, `1`)
		if err == nil {
			break
		}
		if time.Since(start) > s.Patience {
			s.Fatalf("PublishAt again, to a healthy destination: %v", err)
		}
	}
	s.expectPosition(l, `1`)
	s.expectExactly(batch)
}
