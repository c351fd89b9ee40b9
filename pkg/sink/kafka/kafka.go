// Package kafka publishes records to a topic of Apache Kafka.
//
// # Guarantee
//
// A record is acknowledged once all in-sync replicas of its partition have it
// (acks=all); the topic's min.insync.replicas is the least number of them.
//
// With delivery: exactly_once, the default, the records, the dead letters and the
// lane's position are one transaction (see package ledger): a consumer with
// isolation.level=read_committed sees each event once. Other consumers also see
// aborted records. The dead letters are in the topic NAME.dead-letters.
//
// With delivery: at_least_once, for clusters without transactions, the producer is
// idempotent: a record that the producer itself retries is written once. A record
// that the lane publishes again, after an error or a crash, is written again;
// consumers recognize it by its sluice-event-id. The section on order is about this
// delivery. A transaction writes all records in order, or none.
//
// # A record in Kafka
//
// The value is the record's body, and the key is the record's key. The partition
// follows from the key as in Kafka's own Java client (murmur2), so all records with
// the same key are in one partition, in order. The timestamp is the time of
// publishing, not of the event: Kafka deletes by timestamp, and would at once delete
// events older than the topic's retention.
//
// These headers are a contract. All are UTF-8 text.
//
//	sluice-event-id        the event's id, the same in every sink and at every attempt
//	sluice-event-time      when it happened, RFC 3339 in UTC with up to nine decimals
//	sluice-action          such as deploy_request.queued; empty if unknown
//	sluice-format          such as ecs
//	sluice-schema-version  of this layout: 1
//	content-type           of the value, such as application/json
//	sluice-lane            the lane that wrote it, such as acme/siem
//	sluice-replayed        true if sluice replay sent it again; otherwise absent
//	sluice-own-token       true if it is about Sluice's own credential; otherwise absent
//	sluice-epoch           how often the lane was taken; this and the next two with evidence alone
//	sluice-sequence        how many records stand before it in the lane's log
//	sluice-organization    as the source names it
//
// # Order
//
// Within a key, the first occurrences of records are in the order of publishing,
// whatever fails:
//
//   - All records of a Publish get their partitions before the first one is sent. If
//     one gets none, nothing is sent.
//   - If Kafka refuses a batch, franz-go also fails everything after it in that
//     partition. So the records that a BatchError names are, in each partition, the
//     last ones that were published, apart from single records refused for good. The
//     lane publishes them again before anything newer.
//   - A request of an abandoned Publish may arrive after its records were published
//     again. Both copies are in order. However two ordered copies mix, the first
//     occurrences stay in order.
//
// # Rejects
//
// A record is refused for good if it exceeds max_record_bytes, or if, alone in a
// batch, it is too large for the topic or invalid by the topic's rules. If Kafka
// refuses several records together, it does not say which one is bad; the sink
// bisects them, as Kafka's Java client does. A topic whose max.message.bytes is less
// than max_record_bytes + 4 KiB works, but slowly; Check reports it.
//
// Any other error, such as a missing topic or permission, is about the destination.
// The lane retries it, on a new connection.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

type kafka struct {
	settings Settings
	lane     string
	ledger   *ledger.Ledger // of the lane; with delivery: at_least_once, of an earlier run
	log      zerolog.Logger
	over     network
	records  records // reused by each Publish

	mu     sync.Mutex
	client *kafkaclient.Client // nil: the next Publish creates one
	closed bool
}

// network lets tests replace the network of the settings.
type network struct {
	dial  kafkaclient.Dial // nil: according to the settings
	hooks []kgo.Hook
}

var errClosed = errors.New("sink is closed")

func open(_ context.Context, env sink.Env, s Settings) (sink.Sink, error) {
	return openOver(network{}, env, s)
}

func openOver(over network, env sink.Env, s Settings) (sink.Sink, error) {
	for _, warning := range s.Cluster.Warnings() {
		env.Log.Warn().Msg(warning)
	}
	k := &kafka{settings: s, lane: env.Lane, log: env.Log, over: over}
	// If a client cannot be created, the settings are wrong, which is better reported
	// now than at the first Publish. A client connects only when it is used.
	if _, err := k.connect(); err != nil {
		return nil, err
	}
	k.ledger = ledger.New(env.Lane, k.ledgerSettings(env))
	if env.Again {
		return k.beside(env), nil
	}
	if s.Delivery == ExactlyOnce {
		return &exact{kafka: k}, nil
	}
	return &plain{kafka: k}, nil
}

// Limits returns the largest batch and record.
func (k *kafka) Limits() sink.Limits {
	record := int(k.settings.MaxRecordBytes)
	return sink.Limits{
		Records:     10_000,
		Bytes:       max(4<<20, record),
		RecordBytes: record,
		// franz-go waits 20 s for the answer to a produce request. Records of a Publish
		// that is abandoned earlier may be written twice.
		Timeout: 30 * time.Second,
	}
}

// Publish produces all records, and waits for the outcome of each.
func (k *kafka) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return k.publishing(err)
	}
	c, err := k.connect()
	if err != nil {
		return err
	}
	p := publication{
		client:  c,
		records: k.records.encode(batch, k.settings.Topic, k.lane),
		errs:    make([]error, len(batch)),
	}
	defer k.records.release()
	p.run(ctx)
	if p.spent {
		k.discard(c)
	}
	return k.report(p.errs)
}

// publishing adds the operation to an error.
func (k *kafka) publishing(err error) error {
	return fmt.Errorf("publishing to topic %s: %w", k.settings.Topic, err)
}

// connect returns the client in use, or a new one.
func (k *kafka) connect() (*kafkaclient.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, k.publishing(errClosed)
	}
	if k.client == nil {
		c, err := kafkaclient.New(&k.settings.Cluster, k.log, k.over.dial, k.options()...)
		if err != nil {
			return nil, err
		}
		k.client = c
	}
	return k.client, nil
}

func (k *kafka) options() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		k.settings.compression(),
		kgo.ProducerBatchMaxBytes(k.settings.batchBytes()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		// A batch is flushed as a whole once it is complete; the limits of a batch also
		// limit the buffer.
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(math.MaxInt),
		kgo.WithHooks(append(k.over.hooks, placed{})...),
		// Limits how often a new leader or a new topic is looked up. kgo's default of 5 s
		// would be most of the time that a failover takes.
		kgo.MetadataMinAge(time.Second),
		// kgo returns Kafka's error only after the last attempt, and nobody can act
		// without it. Ten attempts take about ten seconds; then the lane retries.
		// Attempts with an unknown outcome do not count.
		kgo.RecordRetries(10),
	}
}

// discard closes a client that failed. After an error the producer may be in a state
// that franz-go does not leave by itself (a fatal InitProducerID). A new client also
// uses changed addresses.
func (k *kafka) discard(c *kafkaclient.Client) {
	c.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == c {
		k.client = nil
	}
}

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (k *kafka) Close() error {
	k.mu.Lock()
	c := k.client
	k.client, k.closed = nil, true
	k.mu.Unlock()
	if c != nil {
		c.Close()
	}
	k.ledger.Close()
	return nil
}
