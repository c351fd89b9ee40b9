// Package kafka publishes records to a topic of Apache Kafka.
//
// # What is taken responsibility for
//
// A record is acknowledged once all in-sync replicas of its partition have it
// (acks=all); how many those are is the topic's min.insync.replicas.
//
// With delivery: exactly_once, the default, the records, the dead letters and the
// position of the lane are one transaction (see package ledger): a consumer with
// isolation.level=read_committed sees each event once. Others see also what was
// aborted. Dead letters are in the topic that has .dead-letters behind its name.
//
// With delivery: at_least_once, for clusters without transactions, the producer is
// idempotent: what it retries by itself is written once. What the lane publishes
// again, after an error or a crash, is written again, and consumers know it by its
// sluice-event-id. What is said of order below is about this delivery; in a
// transaction all is written, in order, or nothing.
//
// # A record in Kafka
//
// The value is the record's body, the key its key, and the partition follows
// from the key as in Kafka's own Java client (murmur2), so that all records of
// a key are in one partition, in order. The timestamp is the time of
// publishing and not of the event: Kafka expires by timestamp, and a backfill
// older than the topic's retention would be deleted as soon as it is written.
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
//
// # Order
//
// Within a key, the first occurrence of each record comes in the order of
// publishing, whatever fails:
//
//   - All records of a Publish are assigned to partitions before the first is
//     sent. If one cannot be, none is.
//   - Where Kafka refuses a batch, franz-go fails everything behind it in that
//     partition too. So what a BatchError names is, in each partition, the tail
//     of what was published, single records refused for good apart, and the lane
//     publishes it again before anything newer.
//   - A Publish that is abandoned may leave a request on its way that arrives
//     after the same records were published again. Both copies are in order, and
//     of two ordered copies merged in any way the first occurrences are in order.
//
// # What is refused for good
//
// A record that alone exceeds max_record_bytes, or that alone in a batch is too
// large for the topic or invalid by its rules. Of several that were refused
// together Kafka does not say which was meant; they are halved until it is
// known, as Kafka's Java client does. A topic whose max.message.bytes is less
// than max_record_bytes + 4 KiB works, but slowly: Check says so.
//
// Everything else, such as a missing topic or permission, is about the
// destination and tried again by the lane, on a new connection.
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
	ledger   *ledger.Ledger // of the lane; with delivery: at_least_once a former one
	log      zerolog.Logger
	over     network
	records  records // used again by each Publish

	mu     sync.Mutex
	client *kafkaclient.Client // nil: the next Publish makes one
	closed bool
}

// network is what tests put in place of the one the settings lead to.
type network struct {
	dial  kafkaclient.Dial // nil: as the settings say
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
	// A client that cannot be made is a mistake in the settings: better told
	// now than at the first Publish. It does not connect before it is used.
	if _, err := k.connect(); err != nil {
		return nil, err
	}
	k.ledger = ledger.New(env.Lane, k.ledgerSettings(env))
	if s.Delivery == ExactlyOnce {
		return &exact{kafka: k}, nil
	}
	return &plain{kafka: k}, nil
}

// Limits says how much the sink takes at once.
func (k *kafka) Limits() sink.Limits {
	record := int(k.settings.MaxRecordBytes)
	return sink.Limits{
		Records:     10_000,
		Bytes:       max(4<<20, record),
		RecordBytes: record,
		// franz-go waits for an answer to a produce request for 20 s; what it
		// abandons earlier may have been written, and is then written twice.
		Timeout: 30 * time.Second,
	}
}

// Publish produces all records, and waits for what became of each.
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

// publishing says what an error came of.
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
		// A batch is all there is: it is sent as a whole when it is complete, and
		// what is buffered is bounded by what the lane hands out.
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(math.MaxInt),
		kgo.WithHooks(append(k.over.hooks, placed{})...),
		// How soon a new leader or a new topic is asked for again; kgo's 5 s would
		// be the better part of what a failover takes.
		kgo.MetadataMinAge(time.Second),
		// What Kafka answers to each attempt is told only at the end of them, and
		// without a reason nobody can act; the lane goes on after ten, which take
		// about as many seconds. Attempts with an unclear outcome are not counted.
		kgo.RecordRetries(10),
	}
}

// discard closes a client that failed. A producer that met an error may be in a
// state that franz-go does not leave by itself (a fatal InitProducerID), and a
// new one also takes up changed addresses.
func (k *kafka) discard(c *kafkaclient.Client) {
	c.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == c {
		k.client = nil
	}
}

// Close ends a Publish under way, whose records then have an unknown outcome.
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
