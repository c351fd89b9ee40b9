//go:build integration

package app_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
)

// seen is a record as a consumer saw it.
type seen struct {
	partition int
	offset    int64
	id, key   string // the key in the form of printable
}

// console reads the committed records of a topic with Kafka's own console consumer, each
// partition in its order.
func console(t *testing.T, broker, topic string) []seen {
	t.Helper()
	bytesOnly := "deserializer=org.apache.kafka.common.serialization.BytesDeserializer"
	args := []string{
		"--bootstrap-server", broker, "--topic", topic, "--isolation-level", "read_committed",
		"--from-beginning", "--timeout-ms", "20000"}
	for _, property := range []string{
		"print.partition=true", "print.offset=true", "print.headers=true", "print.key=true", "print.value=false",
		"key.separator=\t", "headers.separator=\t", "key." + bytesOnly, "headers." + bytesOnly,
	} {
		args = append(args, "--formatter-property", property)
	}
	cmd := kafkabroker.Tool(t.Context(), "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("console consumer: %v: %s", err, stderr.String())
	}
	var all []seen
	for line := range strings.Lines(stdout.String()) {
		s, err := parseConsole(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("line of console consumer %q: %v", line, err)
		}
		all = append(all, s)
	}
	if want := fmt.Sprintf("Processed a total of %d messages", len(all)); !strings.Contains(stderr.String(), want) {
		t.Fatalf("console consumer: its last words are not %q: %s", want, stderr.String())
	}
	return all
}

// parseConsole reads a line: partition, offset, headers and key, separated by tabs.
func parseConsole(line string) (s seen, err error) {
	fields := strings.Split(line, "\t")
	partition, ok := strings.CutPrefix(fields[0], "Partition:")
	if !ok || len(fields) < 4 {
		return seen{}, fmt.Errorf("%d fields, the first not a partition", len(fields))
	}
	if s.partition, err = strconv.Atoi(partition); err != nil {
		return seen{}, err
	}
	if s.offset, err = strconv.ParseInt(strings.TrimPrefix(fields[1], "Offset:"), 10, 64); err != nil {
		return seen{}, err
	}
	for _, f := range fields[2 : len(fields)-1] {
		if id, ok := strings.CutPrefix(f, "sluice-event-id:"); ok {
			s.id = id
		}
	}
	s.key = fields[len(fields)-1]
	return s, nil
}

// printable formats bytes as Kafka's BytesDeserializer prints them.
func printable(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		if c < ' ' || c > '~' || c == '\\' {
			fmt.Fprintf(&b, "\\x%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
