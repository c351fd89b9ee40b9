//go:build integration

package committed_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
)

// broker is an Apache Kafka with its own directory.
type broker struct{ dir, address string }

func startBroker(t *testing.T) *broker {
	t.Helper()
	b := kafkabroker.Start(t, t.TempDir(), kafkabroker.FreePorts(t, 2)...)
	return &broker{b.Dir, b.Address()}
}

func (b *broker) create(t *testing.T, topic string, partitions int, config ...kafkago.ConfigEntry) {
	t.Helper()
	c := &kafkago.Client{Addr: kafkago.TCP(b.address)}
	resp, err := c.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: config},
	}})
	if err == nil {
		err = resp.Errors[topic]
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
	// A broker reports a topic as created before it leads the partitions.
	eventually(t, func() error {
		_, err := committed.Read(within(t), []string{b.address}, topic, func(committed.Record) error { return nil })
		return err
	})
}

// segment returns the file in which the broker keeps a partition.
func (b *broker) segment(t *testing.T, topic string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, "data", topic+"-0", "00000000000000000000.log"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// client returns a franz-go client, which Sluice uses, too. Its records name their
// partitions.
func (b *broker) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.address), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseAllowingRebalance)
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, f func() error) {
	t.Helper()
	if err := backoff.Retry(f, backoff.WithContext(backoff.NewConstantBackOff(100*time.Millisecond), within(t))); err != nil {
		t.Fatal(err)
	}
}
