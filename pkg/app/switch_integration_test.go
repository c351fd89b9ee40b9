//go:build integration

package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// deliver configures the site's lane for Kafka with the given delivery. The state is in
// files, or in a namespace of the same cluster.
func (s *site) deliver(t *testing.T, b *broker, shared, delivery, topic, more string) {
	t.Helper()
	s.configure(t, "100ms", fmt.Sprintf(`  - name: siem
    type: kafka
    own_events: false
    format: ecs
    settings:
      brokers: [%q]
      topic: %s
      delivery: %s
%s`, b.address, topic, delivery, more))
	if shared == "" {
		return
	}
	file, err := os.ReadFile(s.path("sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	directory := fmt.Sprintf("state:\n  settings:\n    dir: %s\n", s.path("state"))
	kafka := fmt.Sprintf("state:\n  type: kafka\n  settings:\n    brokers: [%q]\n    namespace: %s\n", b.address, shared)
	if !bytes.Contains(file, []byte(directory)) {
		t.Fatalf("no state in %s", file)
	}
	s.write(t, "sluice.yaml", strings.Replace(string(file), directory, kafka, 1))
}

// runUntil runs the site until what it waits for is there, and then ends it.
func (s *site) runUntil(t *testing.T, there func() bool) (said string) {
	t.Helper()
	cmd, stderr := s.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	late := time.After(time.Minute)
	for !there() {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v: %s", err, stderr)
		case <-late:
			err := errors.Join(cmd.Process.Kill(), <-ended)
			t.Fatalf("what was waited for is not there after a minute: %v: %s", err, stderr)
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), <-ended); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	return stderr.String()
}

// delivered returns the committed records of a topic, as the function once needs them.
func delivered(t *testing.T, b *broker, topic string) (all []seen) {
	t.Helper()
	records, _ := readCommitted(t, b.address, topic)
	for _, r := range records {
		all = append(all, seen{partition: r.Partition, offset: r.Offset, id: printable([]byte(header(r, "sluice-event-id")))})
	}
	return all
}

// A user changes delivery back and forth several times while events arrive. None is
// skipped and none comes twice, wherever the state is.
func TestSwitchingDelivery(t *testing.T) {
	b := startBroker(t)
	for _, kept := range []struct{ name, shared, namespace string }{
		{"in files", "", "one"},
		{"in Kafka", "two-state", "two"},
		{"in Kafka, under the same key", "three", "three"},
	} {
		t.Run(kept.name, func(t *testing.T) {
			topic := "switched-" + kept.namespace
			createTopic(t, b, topic)
			s := newSite(t, simulator.Config{Events: 500})
			want := 500
			more := "      namespace: " + kept.namespace + "\n"
			for i, delivery := range []string{"at_least_once", "exactly_once", "at_least_once", "exactly_once", "exactly_once", "at_least_once"} {
				s.deliver(t, b, kept.shared, delivery, topic, more)
				began := want
				s.api.Append(150) // while no process runs
				want += 150
				said := s.runUntil(t, func() bool {
					n := len(delivered(t, b, topic))
					if n > began && want == began+150 {
						s.api.Append(150) // while the process runs
						want += 150
					}
					return n >= want
				})
				// If the key is the same, both move one position.
				changed := i > 0 && i != 4 && kept.namespace != kept.shared
				if carried := strings.Contains(said, "position carried over"); carried != changed {
					t.Errorf("run %d, %s: position carried over: got %t, want %t\n%s", i, delivery, carried, changed, said)
				}
			}
			once(t, "kafka-go", delivered(t, b, topic), places(s.api))
		})
	}
}

// Events that are older than the topic's retention stay, because Kafka uses the time of
// publishing. A record with the time of its event is removed, which proves that the
// broker has checked.
func TestABackfillOlderThanRetentionStays(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	createTopic(t, b, "audit")
	createTopic(t, b, "control")
	for _, topic := range []string{"audit", "control"} {
		kafkaTool(t, "kafka.admin.ConfigCommand", "--bootstrap-server", b.address,
			"--alter", "--topic", topic, "--add-config", "retention.ms=86400000")
	}
	s := newSite(t, simulator.Config{Events: 1000, Spacing: 24 * time.Hour})
	s.kafkaSink(t, "1s", b.address, "exactly_once")
	if cmd, stderr := s.command("--once"); cmd.Run() != nil {
		t.Fatalf("%v: %s", cmd.ProcessState, stderr)
	}
	w := &kafkago.Writer{Addr: kafkago.TCP(b.address), Topic: "control", RequiredAcks: kafkago.RequireAll}
	if err := w.WriteMessages(t.Context(), kafkago.Message{Value: []byte("old"), Time: time.Now().Add(-48 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.lookAtRetention(t)
	for _, topic := range []string{"audit", "control"} {
		b.leads(t, topic)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if left, _ := readCommitted(t, b.address, "control"); len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the broker has not removed the record that is too old within a minute")
		}
		<-time.After(200 * time.Millisecond)
	}
	once(t, "kafka-go", delivered(t, b, "audit"), places(s.api))
}

// lookAtRetention restarts the broker so that it checks every half second for records
// that are too old.
func (b *broker) lookAtRetention(t *testing.T) {
	t.Helper()
	b.kill(t)
	more := filepath.Join(b.Dir, "more.properties")
	properties, err := os.ReadFile(more)
	if err != nil {
		t.Fatal(err)
	}
	properties = append(properties, "log.retention.check.interval.ms=500\nlog.initial.task.delay.ms=500\n"...)
	if err := os.WriteFile(more, properties, 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(t)
}

// kafkaTool runs one of Kafka's own commands.
func kafkaTool(t *testing.T, class string, args ...string) string {
	t.Helper()
	cmd := kafkabroker.Tool(t.Context(), class, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", class, err, stderr.String())
	}
	return stdout.String()
}

// A user finds dead letters with deadletter list. Kafka's own consumer finds them at the
// place that it names, each once, with the reason and the event.
func TestDeadLettersInKafka(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for _, kind := range []struct{ delivery, shared, namespace, letters string }{
		{"exactly_once", "", "own", "refusing-own.dead-letters"},
		{"at_least_once", "sluice", "shared", "sluice.dead-letters"},
	} {
		t.Run(kind.letters, func(t *testing.T) {
			topic := "refusing-" + kind.namespace
			createTopic(t, b, topic)
			kafkaTool(t, "kafka.admin.ConfigCommand", "--bootstrap-server", b.address,
				"--alter", "--topic", topic, "--add-config", "max.message.bytes=2800")
			s := newSite(t, simulator.Config{Events: 60})
			s.deliver(t, b, kind.shared, kind.delivery, topic, "      compression: none\n      namespace: "+kind.namespace+"\n")
			letters := func() []committed.Record {
				all, _ := readCommitted(t, b.address, kind.letters)
				return all
			}
			settled := 0
			s.runUntil(t, func() bool {
				taken, _ := readCommitted(t, b.address, topic)
				settled = len(taken)
				if settled == 0 { // The topic of dead letters may not exist yet.
					return false
				}
				settled += len(letters())
				return settled >= 60
			})
			wantLetters(t, s, b, topic, kind.letters, letters())
		})
	}
}

func wantLetters(t *testing.T, s *site, b *broker, topic, where string, letters []committed.Record) {
	t.Helper()
	all := delivered(t, b, topic)
	for _, r := range letters {
		all = append(all, seen{id: printable([]byte(header(r, "sluice-event-id")))})
	}
	if len(letters) == 0 || len(letters) == len(all) {
		t.Fatalf("%d of %d records were refused, want some", len(letters), len(all))
	}
	once(t, "topic and dead letters", all, places(s.api))
	said := kafkaTool(t, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", b.address,
		"--topic", where, "--isolation-level", "read_committed", "--from-beginning",
		"--max-messages", strconv.Itoa(len(letters)), "--timeout-ms", "120000",
		"--formatter-property", "print.headers=true")
	if got, want := strings.Count(said, "record with a body of"), len(letters); got < want {
		t.Errorf("the console consumer shows %d reasons, want %d:\n%.3000s", got, want, said)
	}
	t.Logf("a dead letter as the console consumer has it: %.400s", said)
	counted, err := exec.Command(s.binary, "deadletter", "list", "-c", s.path("sluice.yaml")).Output()
	line := fmt.Sprintf(`(?m)^acme/siem +%d +20\S+Z +20\S+Z +topic %s$`, len(letters), regexp.QuoteMeta(where))
	if err != nil || !regexp.MustCompile(line).Match(counted) {
		t.Errorf("deadletter list: want a line %s, got %v\n%s", line, err, counted)
	}
	listed, err := exec.Command(s.binary, "deadletter", "list", "-c", s.path("sluice.yaml"), "acme/siem").Output()
	if err != nil {
		t.Errorf("deadletter list of the lane: %v", err)
	}
	for _, r := range letters {
		if id := header(r, "sluice-event-id"); !strings.Contains(string(listed), id) {
			t.Errorf("deadletter list of the lane does not show event %s:\n%s", id, listed)
		}
	}
}
