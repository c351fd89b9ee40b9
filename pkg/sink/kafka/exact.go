package kafka

import (
	"context"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// exact is the sink with delivery: exactly_once, a sink.Ledger.
type exact struct{ *kafka }

// plain is the sink with delivery: at_least_once. It is a sink.Releaser for a
// position that exactly_once left.
type plain struct{ *kafka }

// maxTransaction limits the bodies of a transaction, in bytes.
const maxTransaction = 8 << 20

func (k *kafka) ledgerSettings(env sink.Env) ledger.Settings {
	return ledger.Settings{
		Cluster:     &k.settings.Cluster,
		Namespace:   k.settings.Namespace,
		Positions:   k.settings.Positions,
		Topic:       k.settings.Topic,
		DeadLetters: k.settings.deadLetters(),
		Confirm:     env.Confirm,
		Log:         env.Log,
		Dial:        k.over.dial,
		Options: []kgo.Opt{
			k.settings.compression(),
			kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
				if topic == k.settings.Topic {
					return k.settings.batchBytes()
				}
				return kafkaBatchBytes
			}),
			kgo.WithHooks(k.over.hooks...),
		},
	}
}

// Limits returns the largest transaction and record.
func (e *exact) Limits() sink.Limits { return e.transactionLimits() }

func (k *kafka) transactionLimits() sink.Limits {
	limits := k.Limits()
	limits.Bytes = max(maxTransaction, limits.RecordBytes)
	limits.Timeout = ledger.CommitTimeout
	return limits
}

// Position takes the lane.
func (e *exact) Position(ctx context.Context) ([]byte, error) { return e.ledger.Take(ctx) }

// PublishAt writes everything in one transaction.
func (e *exact) PublishAt(ctx context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	records := e.records.encode(batch, e.settings.Topic, e.lane)
	defer e.records.release()
	return e.ledger.Commit(ctx, records, rejects, pos)
}

// Look reads the position without taking the lane.
func (e *exact) Look(ctx context.Context) (pos []byte, saved time.Time, err error) {
	entry, err := e.ledger.Look(ctx)
	return entry.Position, entry.Saved, err
}

// Rejects reads the dead letters without taking the lane.
func (e *exact) Rejects(ctx context.Context) iter.Seq2[sink.Reject, error] {
	return e.ledger.Rejects(ctx)
}

// Set takes the lane and commits a position that a person chose.
func (e *exact) Set(ctx context.Context, choose func(former []byte) ([]byte, error)) error {
	return e.ledger.Set(ctx, choose)
}

// Traces looks for records and dead letters of the lane.
func (k *kafka) Traces(ctx context.Context) (sink.Traces, error) { return k.ledger.Traces(ctx) }

// Lanes returns the lanes whose positions are in the positions topic.
func (e *exact) Lanes(ctx context.Context) ([]string, error) {
	entries, err := e.ledger.Lanes(ctx)
	var lanes []string
	for _, entry := range entries {
		lanes = append(lanes, entry.Lane)
	}
	return lanes, err
}

// Rename moves the position of lane from to this lane.
func (e *exact) Rename(ctx context.Context, from string) error { return e.ledger.Rename(ctx, from) }

// Check asks for everything the sink needs, without taking the lane.
func (e *exact) Check(ctx context.Context) (string, error) {
	line, err := e.kafka.Check(ctx)
	if err != nil {
		return "", err
	}
	kept, err := e.ledger.Check(ctx)
	if err != nil {
		return "", err
	}
	return line + "; exactly once for consumers with isolation.level=read_committed; " + kept, nil
}

// Release hands over a position that delivery: exactly_once left.
func (p *plain) Release(ctx context.Context, keep func(pos []byte) error) error {
	return p.ledger.Release(ctx, keep)
}
