//go:build integration

package app_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// An event of more than 16 MiB becomes one dead letter in Kafka, which holds an outline,
// although the process is killed again and again. Every other event is one record.
func TestOversizedEventIsADeadLetterInKafkaOnce(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "audit")
	s := newSite(t, simulator.Config{Events: 150, Tame: true})
	large := s.api.Draft(time.Time{})
	large.Raw = []byte(simulator.Oversized(string(large.Raw)))
	s.api.Insert(large)
	s.api.Append(1)
	s.kafkaSink(t, "100ms", b.address, "exactly_once")
	for _, life := range []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second} {
		cmd, _ := s.command()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed
	}
	for range 2 {
		if cmd, stderr := s.command("--once"); cmd.Run() != nil {
			t.Fatalf("catching up: %v: %s", cmd.ProcessState, stderr)
		}
	}
	letters, open := readCommitted(t, b.address, "audit.dead-letters")
	if len(letters) != 1 || len(open) > 0 {
		t.Fatalf("got %d dead letters, transactions %+v open; want one letter", len(letters), open)
	}
	if again := console(t, b.address, "audit.dead-letters"); len(again) != 1 {
		t.Errorf("Kafka's own consumer reads %d dead letters, want 1", len(again))
	}
	l, err := letter.Decode([]byte(letters[0].Value))
	if err != nil || l.Lane != "acme/siem" || l.Record.ID != large.ID || !strings.Contains(l.Reason, "exceeds 16 MiB") ||
		len(l.Raw) > 64<<10 || !strings.HasPrefix(string(large.Raw), string(l.Raw)[:100]) {
		t.Errorf("got a letter of %s, event %s, reason %q, %d bytes: %.200q, %v", l.Lane, l.Record.ID, l.Reason, len(l.Raw), l.Raw, err)
	}
	want, got := map[string]int{}, map[string]int{}
	for e := range s.api.Ever() {
		if e.ID != large.ID {
			want[e.ID] = 1
		}
	}
	records, _ := readCommitted(t, b.address, "audit")
	for _, r := range records {
		got[header(r, "sluice-event-id")]++
	}
	if len(want) != 151 || !maps.Equal(got, want) {
		t.Errorf("got %d records of %d events, want one each of %d", len(records), len(got), len(want))
	}
}
