//go:build integration

package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	kafkago "github.com/segmentio/kafka-go"
)

// partitions of the topics that these tests create.
const partitions = 3

// startBroker runs an Apache Kafka of its own for the test, and returns its
// address.
func startBroker(t *testing.T) string {
	t.Helper()
	ports := freePorts(t, 2)
	cmd := exec.Command("../../.ci/kafka/kafka", "start", t.TempDir(), ports[0], ports[1])
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("starting broker: %v: %s", err, stderr.String())
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p, err := os.FindProcess(pid)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Errorf("stopping broker: %v", err)
		}
	})
	return net.JoinHostPort("127.0.0.1", ports[0])
}

func createTopic(t *testing.T, broker, topic string) {
	t.Helper()
	c := &kafkago.Client{Addr: kafkago.TCP(broker)}
	resp, err := c.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1},
	}})
	if err == nil {
		err = resp.Errors[topic]
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
	// A broker answers that it created a topic before it leads the partitions.
	for p := range partitions {
		ready := func() error {
			_, err := recordsIn(t.Context(), broker, topic, p)
			return err
		}
		within := backoff.WithMaxRetries(backoff.NewConstantBackOff(50*time.Millisecond), 600)
		if err := backoff.Retry(ready, within); err != nil {
			t.Fatalf("waiting for partition %d of %s: %v", p, topic, err)
		}
	}
}

// recordsIn is how many records a partition holds, of which none was removed.
func recordsIn(ctx context.Context, broker, topic string, partition int) (int64, error) {
	conn, err := kafkago.DialLeader(ctx, "tcp", broker, topic, partition)
	if err != nil {
		return 0, err
	}
	_, last, err := conn.ReadOffsets()
	return last, errors.Join(err, conn.Close())
}

func partitionReader(broker, topic string, partition int) *kafkago.Reader {
	return kafkago.NewReader(kafkago.ReaderConfig{
		Brokers: []string{broker}, Topic: topic, Partition: partition,
		MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond,
	})
}

// readPartition returns the bodies that a partition holds, in their order, by a
// client that shares no code with the one that wrote them.
func readPartition(t *testing.T, broker, topic string, partition int) [][]byte {
	t.Helper()
	n, err := recordsIn(t.Context(), broker, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	r := partitionReader(broker, topic, partition)
	bodies := make([][]byte, n)
	for i := range bodies {
		m, err := r.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(fmt.Errorf("reading partition %d of %s: %w", partition, topic, err))
		}
		bodies[i] = m.Value
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return bodies
}

// freePorts returns ports of the loopback interface on which nobody listens.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// Closed at the end only, so that all differ.
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}
