package kafka_test

import (
	"errors"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

// openAgain opens the sink beside its lane.
func openAgain(t testing.TB, s kafka.Settings) sink.Sink {
	t.Helper()
	env := sink.Env{Lane: "acme/siem", Source: "acme", Again: true, Log: zerolog.New(io.Discard)}
	snk, err := kafka.Type.Open(t.Context(), env, &s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
	return snk
}

func TestContractBesideALane(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		c := start(t, kfake.SeedTopics(1, topic))
		d := &destination{c: c, met: make(chan struct{})}
		c.ControlKey(kmsg.Produce.Int16(), d.produce)
		s := settings(c)
		s.Delivery, s.MaxRecordBytes = kafka.ExactlyOnce, 1<<16
		return sinktest.Harness{
			Open:     func(t testing.TB) sink.Sink { return openAgain(t, s) },
			Received: func(t testing.TB) [][]byte { return committed(t, c) },
			Refused:  func(testing.TB) sink.Record { return batch(0, 1, 1, 1<<17)[0] },
			Break:    func(testing.TB) { d.broken.Store(true) },
			Repair:   func(testing.TB) { d.broken.Store(false) },
			Patience: 20 * time.Second,
		}
	})
}

// A lane that runs meanwhile is not fenced, keeps its position, and everything is
// committed.
func TestRecordsAreSentAgainBesideALane(t *testing.T) {
	for _, delivery := range []string{kafka.ExactlyOnce, kafka.AtLeastOnce} {
		t.Run(delivery, func(t *testing.T) {
			c := start(t, kfake.SeedTopics(1, topic))
			s := settings(c)
			s.Delivery = kafka.ExactlyOnce
			lane := open(t, s).(sink.Ledger)
			if _, err := lane.Position(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Delivery = delivery
			again := openAgain(t, s)
			if _, is := again.(sink.Ledger); is {
				t.Error("the sink beside a lane is a Ledger")
			}
			if _, is := again.(sink.Releaser); is {
				t.Error("the sink beside a lane is a Releaser")
			}
			for i := range 3 {
				if err := lane.PublishAt(t.Context(), batch(10*i, 5, 2, 100), nil, []byte(`"here"`)); err != nil {
					t.Errorf("the lane: %v", err)
				}
				if err := again.Publish(t.Context(), batch(10*i, 5, 2, 100)); err != nil {
					t.Errorf("beside the lane: %v", err)
				}
			}
			if pos, _, err := lane.Look(t.Context()); string(pos) != `"here"` || err != nil {
				t.Errorf("got position %s, %v, want that of the lane", pos, err)
			}
			if n := len(committed(t, c)); n != 30 {
				t.Errorf("got %d committed records, want 30", n)
			}
		})
	}
}

// Of two that do the same for a lane, the second one goes on.
func TestTheFirstOfTwoBesideALaneEnds(t *testing.T) {
	c := start(t, kfake.SeedTopics(1, topic))
	s := settings(c)
	s.Delivery = kafka.ExactlyOnce
	first, second := openAgain(t, s), openAgain(t, s)
	for _, snk := range []sink.Sink{first, second} {
		if err := snk.Publish(t.Context(), batch(0, 5, 2, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Publish(t.Context(), batch(5, 5, 2, 100)); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("the first one: got %v, want %v", err, sink.ErrMoved)
	}
	if err := second.Publish(t.Context(), batch(5, 5, 2, 100)); err != nil {
		t.Errorf("the second one: %v", err)
	}
	if n := len(committed(t, c)); n != 15 {
		t.Errorf("got %d committed records, want 15", n)
	}
}

// letters returns the ids of dead letters.
func letters(t *testing.T, found iter.Seq2[sink.Reject, error]) (ids []string) {
	t.Helper()
	for reject, err := range found {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, reject.Record.ID)
	}
	return ids
}

// Dead letters are redriven beside the lane: published and remembered in one step, those
// that are refused again are kept, and a redrive that dies leaves everything as it was.
func TestDeadLettersAreRedrivenOnce(t *testing.T) {
	c := start(t, kfake.SeedTopics(1, topic))
	s := settings(c)
	s.Delivery = kafka.ExactlyOnce
	lane := open(t, s).(sink.Ledger)
	if _, err := lane.Position(t.Context()); err != nil {
		t.Fatal(err)
	}
	bury := func(first, n int) {
		t.Helper()
		var rejects []sink.Reject
		for _, r := range batch(first, n, 2, 100) {
			rejects = append(rejects, sink.Reject{Record: r, Raw: r.Body, Reason: "odd", Time: time.Now()})
		}
		if err := lane.PublishAt(t.Context(), nil, rejects, []byte(`"here"`)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when string, found, want []string) {
		t.Helper()
		if !slices.Equal(found, want) {
			t.Errorf("%s: got letters %q, want %q", when, found, want)
		}
	}
	bury(0, 4)
	want("read and not redriven", letters(t, openAgain(t, s).(sink.Redriver).Letters(t.Context())), []string{"0", "1", "2", "3"})
	want("after that died", letters(t, lane.Rejects(t.Context())), []string{"0", "1", "2", "3"})

	for _, n := range []int{2, 1} { // a part of the transaction that buried them
		some := openAgain(t, s).(sink.Redriver)
		var ids []string
		for reject, err := range some.Letters(t.Context()) {
			if ids = append(ids, reject.Record.ID); err != nil || len(ids) == n {
				break
			}
		}
		if err := some.Redriven(t.Context(), nil, nil); err != nil {
			t.Errorf("a part: %v", err)
		}
	}
	want("after a part", letters(t, lane.Rejects(t.Context())), []string{"3"})
	bury(0, 3)

	first, second := openAgain(t, s).(sink.Redriver), openAgain(t, s).(sink.Redriver)
	want("by the first", letters(t, first.Letters(t.Context())), []string{"3", "0", "1", "2"})
	want("by the second", letters(t, second.Letters(t.Context())), []string{"3", "0", "1", "2"})
	bury(4, 1)
	if err := first.Redriven(t.Context(), batch(0, 4, 2, 100), nil); !errors.Is(err, sink.ErrMoved) {
		t.Errorf("the first of two: got %v, want %v", err, sink.ErrMoved)
	}
	kept := []sink.Reject{{Record: batch(2, 1, 2, 100)[0], Raw: []byte("{}"), Reason: "odd still", Time: time.Now()}}
	if err := second.Redriven(t.Context(), slices.Concat(batch(0, 2, 2, 100), batch(3, 1, 2, 100)), kept); err != nil {
		t.Errorf("the second of two: %v", err)
	}
	want("buried meanwhile, and refused again", letters(t, lane.Rejects(t.Context())), []string{"4", "2"})
	want("of the next redrive", letters(t, openAgain(t, s).(sink.Redriver).Letters(t.Context())), []string{"4", "2"})
	if n := len(committed(t, c)); n != 3 {
		t.Errorf("got %d committed records, want 3", n)
	}
	bury(5, 1) // The lane was not fenced.
}
