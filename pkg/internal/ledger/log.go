package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// DefaultOwnLog is the topic of the own log.
const DefaultOwnLog = "sluice.own-log"

// Log is a topic with records in one order, which many processes append to and read: the
// own log. Nothing in it belongs to a transaction. Its methods may be called concurrently.
type Log struct {
	settings Settings
	client   *kafkaclient.Client
}

// mostWaiting bounds the records that Kafka has not taken yet.
const mostWaiting = 1000

// OpenLog returns the log in the topic Settings.OwnLog. It does not connect to a broker.
func OpenLog(s Settings) (*Log, error) {
	c, err := (&remote{settings: s}).client(
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotent by default
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(s.OwnLog),
		kgo.MaxBufferedRecords(mostWaiting),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return nil, err
	}
	return &Log{s, c}, nil
}

// look returns a view of the log for one call.
func (l *Log) look() *view {
	return &view{remote: &remote{settings: l.settings}, client: l.client, topic: l.settings.OwnLog}
}

// Prepare creates the topic if it is missing, and refuses one that would lose records.
func (l *Log) Prepare(ctx context.Context) error { return l.look().prepare(ctx) }

// Check finds out what Prepare would return, and changes nothing. The line says what was
// found.
func (l *Log) Check(ctx context.Context) (string, error) {
	v := l.look()
	if _, err := v.settings.Cluster.Probe(ctx, v.settings.Dial); err != nil {
		return "", err
	}
	line := "own log in topic " + v.topic
	err := v.checkTopic(ctx, v.ownLog())
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return line + ", which is missing and will be created", nil
	}
	if err != nil {
		return "", v.explain(fmt.Errorf("checking topic %s: %w", v.topic, err), v.topic)
	}
	return line, nil
}

// LogBounds say which records a Log has.
type LogBounds struct {
	ID    [16]byte // of the topic; zero if the brokers are older than 2.8
	First int64    // offset of the oldest record
	Next  int64    // offset of the next one
}

// Bounds asks which records there are.
func (l *Log) Bounds(ctx context.Context) (b LogBounds, err error) {
	v := l.look()
	t, err := v.metadata(ctx, v.topic)
	if err != nil {
		return b, v.explain(fmt.Errorf("topic %s: %w", v.topic, err), v.topic)
	}
	b.ID = t.TopicID
	if b.First, err = v.offset(ctx, earliest, readUncommitted); err != nil {
		return b, err
	}
	b.Next, err = v.highWatermark(ctx)
	return b, err
}

// Read returns records from an offset on, below another. It returns at least one, unless
// none is left there.
func (l *Log) Read(ctx context.Context, from, end int64, most int) (records []*kgo.Record, err error) {
	v := l.look()
	v.most = int32(most)
	for from < end && len(records) == 0 {
		if records, from, err = v.fetch(ctx, from, end); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// Append gives a value to Kafka and returns. It calls done once all replicas in sync have
// it, or if Kafka refuses it: then it was not written. Until then the client tries.
func (l *Log) Append(value []byte, done func(error)) {
	l.client.TryProduce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
		done(l.Explain(err))
	})
}

// Explain adds a hint to an error of Append, or to that of waiting for it.
func (l *Log) Explain(err error) error {
	if err == nil {
		return nil
	}
	if trouble := l.client.Trouble(); trouble != nil {
		err = fmt.Errorf("%w: %w", err, trouble)
	}
	v := l.look()
	return v.explain(fmt.Errorf("writing to topic %s: %w", v.topic, err), v.topic)
}

// Close closes the client. Records that Kafka has not taken are given up.
func (l *Log) Close() { l.client.Close() }

// ownLog is bounded as the log in files is, by its size; and by its age, since a topic has
// no bound that keeps what nobody has read.
func (r *remote) ownLog() topic {
	return topic{
		name: r.settings.OwnLog, partitions: 1, verify: r.ownLogFaults,
		config: map[string]string{
			cleanup: "delete", retention: strconv.FormatInt((30 * 24 * time.Hour).Milliseconds(), 10),
			mostBytes: strconv.Itoa(64 << 20), segment: strconv.Itoa(8 << 20),
		},
	}
}

func (r *remote) ownLogFaults(t kmsg.MetadataResponseTopic, config map[string]string) []fault {
	var faults []fault
	if strings.Contains(config[cleanup], "compact") {
		faults = append(faults, fault{fmt.Sprintf("%s is %s, and a compacted topic takes no record without a key", cleanup, config[cleanup]), r.alter(t, cleanup+"=delete")})
	}
	return append(faults, r.commonFaults(t, config)...)
}
