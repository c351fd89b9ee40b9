package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// remote is a cluster, over the network.
type remote struct {
	settings Settings
	id       string // transactional.id of the lane, and key of its position
	index    int32  // partition of its position
	verified bool   // the topics are as they have to be
	brokers  int    // in the cluster, as it last said; 0 before that
}

var errNoTransactions = errors.New("the cluster gives no producer id")

func (r *remote) client(opts ...kgo.Opt) (*kafkaclient.Client, error) {
	return kafkaclient.New(r.settings.Cluster, r.settings.Log, r.settings.Dial, opts...)
}

// position is the record of an entry.
func (r *remote) position(e Entry) (kgo.Record, error) {
	value, err := encode(e)
	return kgo.Record{
		Topic: r.settings.Positions, Partition: r.index,
		Key: []byte(r.id), Value: value, Timestamp: e.Saved,
	}, err
}

// take makes a transactional producer, and initialises it at once: franz-go would
// when it first produces.
func (r *remote) take(ctx context.Context) (producer, error) {
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

// refuse ends what waits for a cluster that does not let us in, until it is stopped.
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

// partitioner places positions where they say, and other records as Kafka's own
// Java client does.
type partitioner struct{ positions string }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	if topic == p.positions {
		return kgo.ManualPartitioner().ForTopic(topic)
	}
	return kgo.StickyKeyPartitioner(nil).ForTopic(topic)
}

// transactor is the lane's producer.
type transactor struct {
	*remote
	client *kafkaclient.Client
}

func (t *transactor) close() { t.client.Close() }

func (t *transactor) commit(ctx context.Context, records []kgo.Record, cuts []int) (refused map[int]error, err error) {
	if err := t.client.BeginTransaction(); err != nil {
		return nil, t.explain(err, "")
	}
	began, err := t.generation(ctx)
	if err != nil {
		return nil, err
	}
	from := 0
	for _, to := range append(cuts[:len(cuts):len(cuts)], len(records)) {
		refused, err = t.produce(ctx, records, from, to)
		if err != nil {
			return nil, err
		}
		if len(refused) > 0 {
			return refused, t.end(ctx, kgo.TryAbort)
		}
		from = to
	}
	ended, err := t.generation(ctx)
	if err != nil {
		return nil, err
	}
	if ended != began {
		return nil, t.explain(fmt.Errorf("writing a transaction: producer %v became %v in it, which ends what was written before", began, ended), "")
	}
	return nil, t.end(ctx, kgo.TryCommit)
}

// generation is what Kafka knows a producer by.
type generation struct {
	id    int64
	epoch int16
}

// generation is that of the producer now. kgo may take the next one in the middle
// of a transaction, where the log of a partition begins behind what it last wrote
// there. Kafka then aborts what the transaction had, and kgo writes the rest.
func (t *transactor) generation(ctx context.Context) (g generation, err error) {
	g.id, g.epoch, err = t.client.ProducerID(ctx)
	if err != nil {
		err = t.explain(fmt.Errorf("writing a transaction: %w", err), "")
	}
	return g, err
}

// produce sends records from one index to another, and returns when Kafka has
// answered for each. Otherwise the client is closed, since kgo does not let go in
// any other manner of what may be on its way.
func (t *transactor) produce(ctx context.Context, records []kgo.Record, from, to int) (map[int]error, error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	refused := make(map[int]error)
	var mu sync.Mutex // kgo may keep the last promises after Close has returned
	var failed error  // the first that is not about records
	var topic string
	for i := from; i < to; i++ {
		// The record's context never ends, for the reason above.
		t.client.Produce(context.Background(), &records[i], func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
			case verdict(err):
				refused[i] = err
			case failed == nil:
				failed, topic = err, r.Topic
			}
		})
	}
	flushed := t.client.Flush(ctx)
	var trouble error
	if flushed != nil {
		trouble = t.client.Trouble()
		t.client.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if err := flushed; err != nil {
		if failed == nil || errors.Is(failed, kgo.ErrClientClosed) {
			failed = err
		}
		if trouble != nil {
			failed = fmt.Errorf("%w: %w", failed, trouble)
		}
	}
	if failed != nil {
		return nil, t.explain(fmt.Errorf("writing a transaction: %w", failed), topic)
	}
	return refused, nil
}

// end ends the transaction. It has a time of its own: if ctx ended it in between,
// nobody knew how it ended.
func (t *transactor) end(ctx context.Context, how kgo.TransactionEndTry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := t.client.EndTransaction(ctx, how); err != nil {
		return t.explain(endError{fmt.Errorf("ending a transaction: %w", err)}, "")
	}
	return nil
}
