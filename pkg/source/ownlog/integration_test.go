//go:build integration

package ownlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// TestTopicOfARealBroker kills the broker while an event waits for it, and starts it again.
func TestTopicOfARealBroker(t *testing.T) {
	b := kafkabroker.Start(t, t.TempDir(), kafkabroker.FreePorts(t, 2)...)
	sharesTheLog(t, func(t testing.TB) ownlog.Store { return prepared(t, b.Address()) })
	log, other := prepared(t, b.Address()), prepared(t, b.Address())
	src := ownlog.NewSource(other)
	pos, err := src.Start(within(t), source.Start{Now: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := log.Append(short, line(100)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a broker: got error %v, want that of the context", err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{100, 101} {
		if err := log.Append(within(t), line(n)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := src.Open(pos, source.Env{Lane: "sluice/siem", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	patience := within(t)
	for len(got) < 2 {
		p, err := r.Next(patience)
		if patience.Err() != nil {
			t.Fatal(err)
		}
		if err != nil { // A connection to the broker as it was.
			t.Log(err)
			continue
		}
		for _, e := range p.Events {
			got = append(got, e.ID)
		}
	}
	if got[0] != "own:100" || got[1] != "own:101" {
		t.Errorf("got %v, want own:100 and own:101, once", got)
	}
	wantLines(t, other, 6, 100, 101)
}
