//go:build integration

package committed_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
)

// broker is an Apache Kafka of its own, run by .ci/kafka.
type broker struct{ dir, address string }

func startBroker(t *testing.T) *broker {
	t.Helper()
	ports := freePorts(t)
	b := &broker{dir: t.TempDir(), address: net.JoinHostPort("127.0.0.1", ports[0])}
	cmd := exec.Command("../../../.ci/kafka/kafka", "start", b.dir, ports[0], ports[1])
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
	return b
}

// freePorts returns two ports of the loopback interface on which nobody listens.
func freePorts(t *testing.T) (ports [2]string) {
	t.Helper()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // at the end only, so that they differ
		ports[i] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports
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
	// A broker answers that it created a topic before it leads the partitions.
	eventually(t, func() error {
		_, err := committed.Read(within(t), []string{b.address}, topic, func(committed.Record) error { return nil })
		return err
	})
}

// segment is what the broker has written to its disk of a partition.
func (b *broker) segment(t *testing.T, topic string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, "data", topic+"-0", "00000000000000000000.log"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// client writes with franz-go, as Sluice does, records for the partition that they name.
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
