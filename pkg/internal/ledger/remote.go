package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// remote is a cluster that is reached over the network.
type remote struct {
	settings Settings
	id       string                        // transactional.id of the lane, and key of its position
	index    int32                         // partition of its position
	verified bool                          // the topics exist and are fit
	brokers  []kmsg.MetadataResponseBroker // of the cluster, by the newest answer
}

var errNoTransactions = errors.New("the cluster gives no producer id")

func (r *remote) client(opts ...kgo.Opt) (*kafkaclient.Client, error) {
	return kafkaclient.New(r.settings.Cluster, r.settings.Log, r.settings.Dial, opts...)
}

func (r *remote) entryRecord(e Entry) (kgo.Record, error) {
	value, err := encode(e)
	return kgo.Record{
		Topic: r.settings.Positions, Partition: r.index,
		Key: []byte(r.id), Value: value, Timestamp: e.Saved,
	}, err
}

// initProducer makes a transactional producer and initialises it. franz-go would
// initialise it at its first produce request.
func (r *remote) initProducer(ctx context.Context) (producer, error) {
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(math.MaxInt),
		kgo.MetadataMinAge(time.Second),
		kgo.RecordRetries(10),
	}
	opts = append(opts, r.settings.Options...)
	opts = append(opts,
		kgo.TransactionalID(r.id),
		kgo.TransactionTimeout(TransactionTimeout),
		kgo.RecordPartitioner(partitioner{positions: r.settings.Positions}),
	)
	c, err := r.client(opts...)
	if err != nil {
		return nil, err
	}
	if err := r.initialise(ctx, c); err != nil {
		c.Close()
		return nil, r.explain(err, "")
	}
	return &transactor{client: c, remote: r}, nil
}

func (r *remote) initialise(ctx context.Context, c *kafkaclient.Client) error {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	stop := refuse(c, cancel)
	defer stop()
	id, _, err := c.ProducerID(ctx)
	if trouble := c.Trouble(); err != nil && trouble != nil {
		return fmt.Errorf("%w: %w", err, trouble)
	}
	if err == nil && id < 0 {
		return errNoTransactions
	}
	return err
}

// refuse calls end when the cluster refuses the client, unless stop is called before.
func refuse(c *kafkaclient.Client, end func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-c.Refused():
			end()
		case <-done:
		}
	}()
	return func() { close(done) }
}

// partitioner sends positions to the partition that they name. It partitions other
// records as Kafka's Java client does.
type partitioner struct{ positions string }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	if topic == p.positions {
		return kgo.ManualPartitioner().ForTopic(topic)
	}
	return kgo.StickyKeyPartitioner(nil).ForTopic(topic)
}
