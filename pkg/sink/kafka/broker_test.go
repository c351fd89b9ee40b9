//go:build integration

package kafka_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// broker is an Apache Kafka for the tests.
type broker struct {
	*kafkabroker.Broker
	ca string // of its TLS listener
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	ca, server := authority(t)
	dir := t.TempDir()
	writeKeyStore(t, filepath.Join(dir, "server.pem"), server)
	return &broker{kafkabroker.Start(t, dir, kafkabroker.FreePorts(t, 4)...), ca}
}

// writeKeyStore writes key and certificate for Kafka's ssl.keystore.type=PEM.
func writeKeyStore(t *testing.T, path string, server tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate[0]})...)
	write(t, path, string(text))
}

func (b *broker) settings(topic string) kafka.Settings {
	s := *kafka.Type.Settings().(*kafka.Settings)
	s.Cluster.Brokers = []string{b.Address()}
	s.Topic, s.Delivery = topic, kafka.AtLeastOnce
	return s
}

func (b *broker) create(t *testing.T, topic string, partitions int) {
	t.Helper()
	c := &kafkago.Client{Addr: kafkago.TCP(b.Address())}
	resp, err := c.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1},
	}})
	if err == nil {
		err = resp.Errors[topic]
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
	// A broker reports a topic as created before it leads the partitions.
	tries := backoff.WithContext(backoff.NewConstantBackOff(50*time.Millisecond), within(t, 20*time.Second))
	for p := range partitions {
		ready := func() error {
			_, _, err := b.bounds(t, topic, p)
			return err
		}
		if err := backoff.Retry(ready, tries); err != nil {
			t.Fatalf("waiting for partition %d of %s: %v", p, topic, err)
		}
	}
}

// bounds returns the offset of a partition's first record and the offset after its
// last.
func (b *broker) bounds(t *testing.T, topic string, partition int) (first, last int64, err error) {
	t.Helper()
	conn, err := kafkago.DialLeader(t.Context(), "tcp", b.Address(), topic, partition)
	if err != nil {
		return 0, 0, err
	}
	first, last, err = conn.ReadOffsets()
	return first, last, errors.Join(err, conn.Close())
}

// read returns the topic's records, each partition in order. Its client shares no
// code with the writer.
func (b *broker) read(t *testing.T, topic string, partitions int) []kafkago.Message {
	t.Helper()
	var all []kafkago.Message
	for p := range partitions {
		first, last, err := b.bounds(t, topic, p)
		if err != nil {
			t.Fatal(err)
		}
		r := kafkago.NewReader(kafkago.ReaderConfig{
			Brokers: []string{b.Address()}, Topic: topic, Partition: p, MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond,
		})
		for range last - first {
			m, err := r.ReadMessage(t.Context())
			if err != nil {
				t.Fatalf("reading partition %d of %s: %v", p, topic, err)
			}
			all = append(all, m)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	return all
}
