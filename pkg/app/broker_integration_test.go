//go:build integration

package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
)

// partitions is the number of partitions of the topics that these tests create.
const partitions = 6

// broker is an Apache Kafka for these tests.
type broker struct {
	*kafkabroker.Broker
	address string
	far     string // address through proxy; clients there get only addresses through proxy
	proxy   *proxy
	sizes   map[string]int64 // sizes of topics on its disk at the last call of grown
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	ports, dir := kafkabroker.FreePorts(t, 3), t.TempDir()
	b := &broker{address: kafkabroker.Loopback(ports[0]), sizes: map[string]int64{}}
	b.proxy = startProxy(t, kafkabroker.Loopback(ports[2]))
	b.far = b.proxy.listener.Addr().String()
	properties := strings.Join([]string{
		"listeners=PLAINTEXT://" + b.address + ",CONTROLLER://" + kafkabroker.Loopback(ports[1]) + ",FAR://" + kafkabroker.Loopback(ports[2]),
		"advertised.listeners=PLAINTEXT://" + b.address + ",FAR://" + b.far,
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
	}, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "more.properties"), []byte(properties), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Broker = kafkabroker.Start(t, dir, ports[:2]...)
	return b
}

// start starts the broker with the data that it had when it was killed.
func (b *broker) start(t *testing.T) {
	t.Helper()
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
}

func (b *broker) kill(t *testing.T) {
	t.Helper()
	if err := b.Kill(); err != nil {
		t.Error(err)
	}
}

// grown reports whether anything was written to a topic since its last call.
func (b *broker) grown(topic string) bool {
	logs, err := filepath.Glob(filepath.Join(b.Dir, "data", topic+"-*", "*.log"))
	if err != nil {
		return false
	}
	var size int64
	for _, log := range logs {
		if info, err := os.Stat(log); err == nil {
			size += info.Size()
		}
	}
	before := b.sizes[topic]
	b.sizes[topic] = size
	return size > before
}

func createTopic(t *testing.T, b *broker, topic string) {
	t.Helper()
	c := &kafkago.Client{Addr: kafkago.TCP(b.address)}
	resp, err := c.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1},
	}})
	if err == nil {
		err = resp.Errors[topic]
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
	b.leads(t, topic)
}

// leads waits until the broker leads the partitions of a topic. It answers before that,
// after it created them and after it was started again.
func (b *broker) leads(t *testing.T, topic string) {
	t.Helper()
	for p := range partitions {
		ready := func() error {
			_, err := recordsIn(t.Context(), b.address, topic, p)
			return err
		}
		within := backoff.WithMaxRetries(backoff.NewConstantBackOff(50*time.Millisecond), 600)
		if err := backoff.Retry(ready, within); err != nil {
			t.Fatalf("waiting for partition %d of %s: %v", p, topic, err)
		}
	}
}

// recordsIn counts the records of a partition from which none was removed.
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

// readPartition returns the bodies in a partition, in order. Its client shares no code
// with the writer.
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
