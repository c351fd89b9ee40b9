package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
)

// transactor is a lane's producer on a remote cluster.
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
			return refused, t.endTransaction(ctx, kgo.TryAbort)
		}
		from = to
	}
	ended, err := t.generation(ctx)
	if err != nil {
		return nil, err
	}
	if ended != began {
		return nil, t.explain(fmt.Errorf("writing a transaction: the producer changed from %v to %v, and Kafka aborted what was written before", began, ended), "")
	}
	return nil, t.endTransaction(ctx, kgo.TryCommit)
}

// generation identifies a producer to Kafka.
type generation struct {
	id    int64
	epoch int16
}

// generation returns the producer's generation. kgo may get a new one in the middle of
// a transaction, if the log of a partition begins behind the last record that kgo wrote
// there. Kafka then aborts what was written so far, and kgo writes the rest.
func (t *transactor) generation(ctx context.Context) (g generation, err error) {
	g.id, g.epoch, err = t.client.ProducerID(ctx)
	if err != nil {
		err = t.explain(fmt.Errorf("writing a transaction: %w", err), "")
	}
	return g, err
}

// produce sends records[from:to] and returns when Kafka has answered for each. On any
// other outcome it closes the client: kgo has no other way to give up records that may
// be on their way.
func (t *transactor) produce(ctx context.Context, records []kgo.Record, from, to int) (map[int]error, error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	refused := make(map[int]error)
	var mu sync.Mutex // kgo may call the last promises after Close has returned
	var failed error  // the first error that is not about records
	var topic string
	for i := from; i < to; i++ {
		// A context that ends would not give up the record either.
		t.client.Produce(context.Background(), &records[i], func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
			case kafkaclient.IsBadBatch(err):
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
	return refused, t.loaded(ctx, records[from:to])
}

// loaded waits until kgo has stored the partitions that took the records. kgo sends
// the first records of a topic a moment before it stores the partitions, and it ends a
// transaction for stored partitions only. If it has stored none of them, it aborts the
// transaction when it is asked to commit, and returns nil. If it has stored some, the
// others begin the next transaction with the wrong sequence numbers.
func (t *transactor) loaded(ctx context.Context, records []kgo.Record) error {
	return eventually(ctx, func() (again bool, err error) {
		for i := range records {
			r := &records[i]
			if i > 0 && r.Topic == records[i-1].Topic {
				continue // kgo stores all partitions of a topic at once
			}
			if leader, _, _ := t.client.PartitionLeader(r.Topic, r.Partition); leader == notLoaded {
				return true, fmt.Errorf("writing a transaction: the client does not know partition %d of topic %s, which took records", r.Partition, r.Topic)
			}
		}
		return false, nil
	})
}

// notLoaded is what kgo gives as the leader of a partition that it has not stored.
const notLoaded = -1

// endTransaction has a time-out of its own. If ctx could interrupt it, the outcome would
// be unknown more often.
func (t *transactor) endTransaction(ctx context.Context, how kgo.TransactionEndTry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := t.client.EndTransaction(ctx, how); err != nil {
		return t.explain(endError{fmt.Errorf("ending a transaction: %w", err)}, "")
	}
	return nil
}
