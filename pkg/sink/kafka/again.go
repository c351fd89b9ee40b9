package kafka

import (
	"context"
	"errors"
	"iter"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// again is the sink with delivery: exactly_once beside its lane, for records that are sent
// again. A Publish is a transaction without a position, under a transactional.id of its
// own: that of the lane with .replay behind it. So the lane is not fenced. It is no
// sink.Ledger, since only the lane moves its position.
type again struct {
	*kafka
	aside   *ledger.Aside
	redrive *ledger.Redrive
}

// beside returns the sink beside its lane. With delivery: at_least_once that is the sink
// itself, and no sink.Releaser.
func (k *kafka) beside(env sink.Env) sink.Sink {
	if k.settings.Delivery != ExactlyOnce {
		return k
	}
	s := k.ledgerSettings(env)
	return &again{k, ledger.NewAside(env.Lane, "replay", s), ledger.NewRedrive(env.Lane, s)}
}

// Limits returns the largest transaction and record.
func (a *again) Limits() sink.Limits { return a.transactionLimits() }

// Publish writes the batch in one transaction, without the records that Kafka refuses.
func (a *again) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return a.publishing(err)
	}
	records := a.records.encode(batch, a.settings.Topic, a.lane)
	defer a.records.release()
	places := make([]int, len(records)) // of records in the batch
	for i := range places {
		places[i] = i
	}
	var bad sink.BatchError
	for len(records) > 0 {
		err := a.aside.Commit(ctx, records)
		var refused sink.BatchError
		switch {
		case err == nil:
			records = nil
		case errors.As(err, &refused):
			for _, fault := range refused {
				bad = append(bad, sink.RecordError{Index: places[fault.Index], Err: fault.Err})
			}
			records, places = without(records, refused), without(places, refused)
		default:
			return err
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// without returns the elements that refused does not name.
func without[T any](all []T, refused sink.BatchError) []T {
	named := make(map[int]bool, len(refused))
	for _, fault := range refused {
		named[fault.Index] = true
	}
	var rest []T
	for i, element := range all {
		if !named[i] {
			rest = append(rest, element)
		}
	}
	return rest
}

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (a *again) Close() error {
	a.aside.Close()
	a.redrive.Close()
	return a.kafka.Close()
}

// Letters reads the dead letters that were not redriven.
func (a *again) Letters(ctx context.Context) iter.Seq2[sink.Reject, error] {
	return a.redrive.Letters(ctx)
}

// Redriven writes everything in one transaction.
func (a *again) Redriven(ctx context.Context, batch []sink.Record, kept []sink.Reject) error {
	records := a.records.encode(batch, a.settings.Topic, a.lane)
	defer a.records.release()
	return a.redrive.Commit(ctx, records, kept)
}
