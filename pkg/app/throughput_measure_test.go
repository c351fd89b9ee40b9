//go:build integration

package app_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

var catchUp = flag.Int("catch-up", 20_000, "events of TestExactlyOnceIsNearlyAsFast")

// A catch-up with exactly_once takes not much longer than one with at_least_once
// that goes before and after it.
func TestExactlyOnceIsNearlyAsFast(t *testing.T) {
	const rounds, least = 3, 0.5
	b := startBroker(t)
	s := newSite(t, simulator.Config{Events: *catchUp, Spacing: 50 * time.Millisecond})
	took := map[string][]time.Duration{}
	for round := range rounds {
		for _, delivery := range []string{"at_least_once", "exactly_once"} {
			topic := fmt.Sprintf("%s-%d", delivery, round)
			createTopic(t, b, topic)
			s.deliver(t, b, "", delivery, topic, "      namespace: "+topic+"\n")
			if err := os.RemoveAll(s.path("state")); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if cmd, stderr := s.command("--once"); cmd.Run() != nil {
				t.Fatalf("%v: %s", cmd.ProcessState, stderr)
			}
			took[delivery] = append(took[delivery], time.Since(began))
			if n := len(delivered(t, b, topic)); n != *catchUp {
				t.Errorf("%s: %d events are committed, want %d", delivery, n, *catchUp)
			}
		}
	}
	rate := func(delivery string) float64 {
		slices.Sort(took[delivery])
		return float64(*catchUp) / took[delivery][rounds/2].Seconds()
	}
	exact, plain := rate("exactly_once"), rate("at_least_once")
	t.Logf("%d events into Kafka, medians of %d: exactly_once %.0f/s, at_least_once %.0f/s, ratio %.2f (%v)",
		*catchUp, rounds, exact, plain, exact/plain, took)
	if exact < least*plain {
		t.Errorf("exactly_once has %.2f times the throughput of at_least_once, want at least %.1f", exact/plain, least)
	}
}
