//go:build integration

package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// The sink against Apache Kafka itself. One broker serves the tests one after the
// other; the test that kills it comes last.
func TestRealBroker(t *testing.T) {
	b := startBroker(t)
	t.Run("takes a hundred thousand records", func(t *testing.T) { takesMany(t, b) })
	t.Run("names an oversized record", func(t *testing.T) { namesOversized(t, b) })
	t.Run("has no such topic at first", func(t *testing.T) { lacksTopic(t, b) })
	t.Run("is checked", func(t *testing.T) { isChecked(t, b) })
	t.Run("speaks SASL", func(t *testing.T) { speaksSASL(t, b) })
	t.Run("speaks TLS", func(t *testing.T) { speaksTLS(t, b) })
	t.Run("is killed and comes back", func(t *testing.T) { isKilled(t, b) })
}

func takesMany(t *testing.T, b *broker) {
	const n, partitions = 100_000, 6
	b.create(t, "many", partitions)
	snk := open(t, b.settings("many"))
	began := time.Now()
	for first := 0; first < n; first += 10_000 {
		if err := snk.Publish(within(t, time.Minute), batch(first, 10_000, 97, 300)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%.0f records a second", n/time.Since(began).Seconds())
	got := b.read(t, "many", partitions)
	if len(got) != n {
		t.Errorf("got %d records, want %d", len(got), n)
	}
	if wrong := misread(got, n); wrong != "" {
		t.Error(wrong)
	}
}

// misread describes what is wrong with the records that were read back of n; empty if
// nothing is. Repeated records are not wrong.
func misread(messages []kafkago.Message, n int) string {
	seen := make(map[int]bool)
	last := make(map[string]int)
	for _, m := range messages {
		i, wrong := compare(m)
		if wrong != "" {
			return wrong
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		key := string(m.Key)
		if before, ok := last[key]; ok && before > i {
			return fmt.Sprintf("record %d first occurs after record %d of its key", i, before)
		}
		last[key] = i
	}
	if len(seen) != n {
		return fmt.Sprintf("%d of %d records are there", len(seen), n)
	}
	return ""
}

// compare compares a record with the one that batch makes, without the padding.
func compare(m kafkago.Message) (n int, wrong string) {
	headers := make(map[string]string)
	for _, h := range m.Headers {
		headers[h.Key] = string(h.Value)
	}
	if _, err := fmt.Sscan(headers["sluice-event-id"], &n); err != nil {
		return 0, fmt.Sprintf("sluice-event-id %q: %v", headers["sluice-event-id"], err)
	}
	want := map[string]string{
		"sluice-event-id": fmt.Sprint(n), "sluice-event-time": "2026-03-04T05:06:07.008Z", "sluice-action": "branch.created",
		"sluice-format": "ecs", "sluice-schema-version": "1", "content-type": "application/json",
		"sluice-lane": "acme/siem",
	}
	switch {
	case !cmp.Equal(want, headers):
		return n, fmt.Sprintf("record %d: got headers %v, want %v", n, headers, want)
	case !strings.HasPrefix(string(m.Value), fmt.Sprintf(`{"n":%d,`, n)):
		return n, fmt.Sprintf("record %d has the body of another: %.50q", n, m.Value)
	case time.Since(m.Time).Abs() > time.Hour:
		return n, fmt.Sprintf("record %d: got timestamp %v, want the time of publishing", n, m.Time)
	}
	return n, ""
}

func namesOversized(t *testing.T, b *broker) {
	b.create(t, "oversized", 1)
	s := b.settings("oversized")
	s.MaxRecordBytes = 4 << 20 // the topic takes 1 MiB
	snk := open(t, s)
	records := batch(0, 50, 3, 60_000)
	large := []int{0, 23, 24}
	for _, i := range large {
		records[i].Body = batch(i, 1, 1, 2<<20)[0].Body
	}
	got := rejected(t, snk.Publish(within(t, time.Minute), records))
	if diff := cmp.Diff(large, got); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	if wrong := misread(b.read(t, "oversized", 1), len(records)-len(large)); wrong != "" {
		t.Error(wrong)
	}
}

func lacksTopic(t *testing.T, b *broker) {
	snk := open(t, b.settings("later"))
	err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50))
	expectDestination(t, err, kerr.UnknownTopicOrPartition, "--create --topic later")
	b.create(t, "later", 1)
	if err := snk.Publish(within(t, time.Minute), batch(0, 10, 3, 50)); err != nil {
		t.Errorf("after the topic was created: %v", err)
	}
}

func isChecked(t *testing.T, b *broker) {
	b.create(t, "checked", 6)
	line, err := open(t, b.settings("checked")).(sink.Checker).Check(within(t, 20*time.Second))
	want := "topic checked: 6 partitions, 1 replicas, min.insync.replicas 1; warning: each record is on one broker only"
	if err != nil || line != want {
		t.Errorf("got %q and %v, want %q", line, err, want)
	}
	if got := b.read(t, "checked", 6); len(got) != 0 {
		t.Errorf("Check published %d records", len(got))
	}
}

func speaksSASL(t *testing.T, b *broker) {
	b.create(t, "sasl", 1)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			s := b.settings("sasl")
			s.Cluster.Brokers = []string{kafkabroker.Loopback(b.Ports[3])}
			s.Cluster.SASL = login(mechanism, "sluice", setting.NewSecret("sluice-secret"))
			if err := open(t, s).Publish(within(t, 20*time.Second), batch(0, 10, 3, 50)); err != nil {
				t.Error(err)
			}
			s.Cluster.SASL = login(mechanism, "sluice", setting.NewSecret("guessed"))
			err := open(t, s).Publish(within(t, 20*time.Second), batch(0, 10, 3, 50))
			expectDestination(t, err, kerr.SaslAuthenticationFailed, "sasl.password")
		})
	}
	t.Run("a mechanism it does not offer", func(t *testing.T) {
		s := b.settings("sasl")
		s.Cluster.Brokers = []string{kafkabroker.Loopback(b.Ports[3])}
		s.Cluster.SASL = login("SCRAM-SHA-256", "sluice", setting.NewSecret("sluice-secret"))
		err := open(t, s).Publish(within(t, 20*time.Second), batch(0, 10, 3, 50))
		expectDestination(t, err, kerr.UnsupportedSaslMechanism, "sasl.enabled.mechanisms")
	})
}

func speaksTLS(t *testing.T, b *broker) {
	b.create(t, "tls", 1)
	secure := kafkabroker.Loopback(b.Ports[2])
	tests := []struct {
		name, broker string
		tls          *setting.TLS
		advice       string // empty: it works
	}{
		{"with its authority", secure, &setting.TLS{CAFile: b.ca}, ""},
		{"not to those who do not know its authority", secure, &setting.TLS{}, "tls.ca_file"},
		{"not where it does not", b.Address(), &setting.TLS{CAFile: b.ca}, "TLS"},
		{"only, where it does", secure, nil, "TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := b.settings("tls")
			s.Cluster.Brokers, s.Cluster.TLS = []string{tt.broker}, tt.tls
			err := open(t, s).Publish(within(t, 5*time.Second), batch(0, 10, 3, 50))
			if tt.advice == "" && err != nil || tt.advice != "" && (class(err) != "destination" || !strings.Contains(hint(err), tt.advice)) {
				t.Errorf("got %v of class %q with hint %q, want a hint with %q", err, class(err), hint(err), tt.advice)
			}
		})
	}
}

// The broker dies in the middle of a Publish and comes back while the lane retries.
func isKilled(t *testing.T, b *broker) {
	const size, batches, partitions = 500, 60, 6
	b.create(t, "killed", partitions)
	snk := open(t, b.settings("killed"))
	back := make(chan error, 1)
	failures := 0
	for i := range batches {
		if i == batches/3 {
			go func() {
				err := b.Kill()
				if err == nil {
					err = b.Start()
				}
				back <- err
			}()
		}
		failures += insist(t, snk, batch(i*size, size, 13, 300))
	}
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d times Publish returned an error", failures)
	if wrong := misread(b.read(t, "killed", partitions), size*batches); wrong != "" {
		t.Error(wrong)
	}
}

// insist publishes until everything is delivered, and returns the number of failed
// attempts.
func insist(t *testing.T, snk sink.Sink, left []sink.Record) (failures int) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		again, err := publishOnce(ctx, snk, left)
		cancel()
		if err == nil {
			return failures
		}
		if t.Context().Err() != nil {
			t.Fatalf("after %d failures: %v", failures, err)
		}
		failures, left = failures+1, again
	}
}

// publishOnce returns the records that must be published again.
func publishOnce(ctx context.Context, snk sink.Sink, left []sink.Record) ([]sink.Record, error) {
	err := snk.Publish(ctx, left)
	partial, ok := err.(sink.BatchError)
	if !ok {
		return left, err
	}
	var again []sink.Record
	for _, e := range partial {
		again = append(again, left[e.Index])
	}
	return again, err
}
