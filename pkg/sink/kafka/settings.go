package kafka

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Type is the sink type kafka.
var Type = sink.NewType("kafka", Settings{
	Cluster:        kafkaclient.Settings{ClientID: kafkaclient.DefaultClientID},
	Delivery:       ExactlyOnce,
	Namespace:      ledger.DefaultNamespace,
	Positions:      ledger.DefaultPositions,
	Compression:    "zstd",
	MaxRecordBytes: defaultRecordBytes,
}, open)

// Settings are the keys of a kafka sink.
type Settings struct {
	Cluster        kafkaclient.Settings `yaml:",inline"`
	Topic          string               `yaml:"topic" required:"true" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"Topic for the records. It must exist: the sink never creates it."`
	Delivery       string               `yaml:"delivery" values:"exactly_once|at_least_once" doc:"exactly_once commits records and position in one transaction. at_least_once is for a cluster without transactions."`
	Namespace      string               `yaml:"namespace" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"First part of each lane's transactional.id, with exactly_once."`
	Positions      string               `yaml:"positions_topic" pattern:"^[a-zA-Z0-9._-]{1,249}$" doc:"Topic for the positions of lanes, with exactly_once. It is created if it is missing."`
	Compression    string               `yaml:"compression" values:"none|gzip|snappy|lz4|zstd" doc:"Compression of batches."`
	MaxRecordBytes setting.Size         `yaml:"max_record_bytes" least:"1024" doc:"Largest body of a record, from 1KiB to 64MiB. The topic's max.message.bytes must be 4KiB more."`
}

// ExactlyOnce and AtLeastOnce are values of delivery.
const (
	ExactlyOnce = "exactly_once"
	AtLeastOnce = "at_least_once"
)

const (
	// overhead is the most that Kafka adds to a body: a batch's header (61 bytes,
	// Kafka's message format), the record's lengths, its key and its headers.
	overhead = 4 << 10

	// kafkaBatchBytes is Kafka's default of message.max.bytes and
	// max.message.bytes: 1 MiB plus the log's 12 bytes.
	kafkaBatchBytes = 1<<20 + 12

	defaultRecordBytes = 1<<20 - overhead

	minRecordBytes = 1 << 10
	// By default a request may have 100 MiB (socket.request.max.bytes).
	maxRecordBytes = 64 << 20
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

// Validate checks the sink's own keys. The cluster's keys have a Validate of their
// own.
func (s *Settings) Validate() []error {
	var errs []error
	check := func(key string, err error) {
		if err != nil {
			errs = append(errs, setting.Invalid(key, err))
		}
	}
	check("topic", kafkaclient.CheckName(s.Topic, "name the topic to publish to"))
	check("delivery", validDelivery(s.Delivery))
	check("namespace", kafkaclient.CheckName(s.Namespace, "write a name, or remove the key"))
	check("positions_topic", kafkaclient.CheckName(s.Positions, "name a topic, or remove the key"))
	if s.Positions == s.Topic {
		check("positions_topic", fmt.Errorf("%q is also the topic for records; name another topic", s.Positions))
	}
	if _, ok := codecs[s.Compression]; !ok {
		check("compression", fmt.Errorf("%q is unknown; write none, gzip, snappy, lz4 or zstd", s.Compression))
	}
	if s.MaxRecordBytes < minRecordBytes || s.MaxRecordBytes > maxRecordBytes {
		check("max_record_bytes", fmt.Errorf("%s is out of range; write a size from %s to %s", s.MaxRecordBytes, setting.Size(minRecordBytes), setting.Size(maxRecordBytes)))
	}
	return errs
}

func validDelivery(delivery string) error {
	if delivery == ExactlyOnce || delivery == AtLeastOnce {
		return nil
	}
	return fmt.Errorf("%q is unknown; write exactly_once or at_least_once", delivery)
}

// batchBytes limits a partition's batch before compression, as the topic's
// max.message.bytes limits it after compression.
func (s *Settings) batchBytes() int32 {
	return int32(s.MaxRecordBytes) + overhead + (kafkaBatchBytes - 1<<20)
}

func (s *Settings) compression() kgo.ProducerOpt {
	if s.Compression == "zstd" {
		return kgo.WithCompressor(zstdCompressor{})
	}
	return kgo.ProducerBatchCompression(codecs[s.Compression])
}

func (s *Settings) deadLetters() string { return s.Topic + ".dead-letters" }

// KeepsRejects implements sink.KeepsRejects.
func (s *Settings) KeepsRejects() string {
	if s.Delivery == ExactlyOnce {
		return "topic " + s.deadLetters()
	}
	return ""
}

// Questions implements setting.Asker.
func (s *Settings) Questions() []setting.Question {
	return []setting.Question{
		{Key: "brokers", Text: "Brokers, as host:port with commas between them", List: true},
		{Key: "topic", Text: "Topic, which must exist"},
	}
}

// Rotation is that of the secret with which the sink authenticates.
func (s *Settings) Rotation() *setting.Rotation { return s.Cluster.Rotation() }

// SentTo implements setting.Rotating.
func (s *Settings) SentTo() string { return strings.Join(s.Cluster.Brokers, ",") }

// Destination implements setting.Destination.
func (s *Settings) Destination() string {
	brokers := make([]string, len(s.Cluster.Brokers))
	for i, b := range s.Cluster.Brokers {
		brokers[i] = b[strings.LastIndexByte(b, '@')+1:]
	}
	return fmt.Sprintf("%s, topic %s", strings.Join(brokers, ", "), s.Topic)
}
