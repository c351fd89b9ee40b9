package objects

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// exact is the sink with delivery: exactly_once, a sink.Ledger.
type exact struct {
	*bucket
	ledger *objectlog.Log
	marked bool // that the lane delivered is in the store
}

// plain is the sink with delivery: at_least_once. It is a sink.Releaser for a position that
// exactly_once left.
type plain struct {
	*bucket
	ledger *objectlog.Log
	marked bool // the lane is known to have delivered
}

// Position takes the lane.
func (e *exact) Position(ctx context.Context) ([]byte, error) { return e.ledger.Take(ctx) }

// PublishAt commits everything with one object.
func (e *exact) PublishAt(ctx context.Context, batch []sink.Record, rejects []sink.Reject, pos []byte) error {
	if bad := unfit(batch); bad != nil {
		return bad
	}
	p := e.pack(batch)
	var records *objectlog.Records
	if len(batch) > 0 {
		if err := e.mark(ctx); err != nil {
			return err
		}
		records = &objectlog.Records{
			Key: func(number int64, at time.Time) string {
				return p.key(at, objectlog.Number(number)+"-"+p.digest[:8])
			},
			Write: p.object,
		}
	}
	return e.ledger.Commit(ctx, p.same(rejects, pos), records, rejects, pos)
}

// mark marks that the lane delivered, before the first object of this run. Nothing replaces
// the mark.
func (e *exact) mark(ctx context.Context) error {
	if e.marked {
		return nil
	}
	err := e.of.Store.Create(ctx, e.markKey(), mark)
	if err != nil && !errors.Is(err, objectstore.ErrExists) {
		return fmt.Errorf("marking that lane %s delivers: %w", e.lane, err)
	}
	e.marked = true
	return nil
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

// Traces looks for objects of the lane.
func (e *exact) Traces(ctx context.Context) (sink.Traces, error) { return e.traces(ctx, e.ledger) }

// Close ends an unfinished PublishAt, whose outcome is then unknown.
func (e *exact) Close() error {
	e.ledger.Close()
	return e.bucket.Close()
}

// Check asks for everything that can be asked for without taking the lane.
func (e *exact) Check(ctx context.Context) (string, error) {
	line, err := e.bucket.Check(ctx)
	if err != nil {
		return "", err
	}
	entry, err := e.ledger.Look(ctx)
	if err != nil {
		return "", err
	}
	if entry.Number == 0 {
		return line + "; exactly once, if the store honours If-None-Match, which it must prove before the first event", nil
	}
	return fmt.Sprintf("%s; exactly once: %d objects of the lane so far", line, entry.Objects), nil
}

// Publish marks that the lane delivered, before its first object.
func (p *plain) Publish(ctx context.Context, batch []sink.Record) error {
	if len(batch) > 0 && !p.marked {
		// A store for at_least_once may not know the condition.
		if err := p.of.Store.Put(ctx, p.markKey(), mark); err != nil {
			return fmt.Errorf("publishing to %s: %w", p.of.Store, err)
		}
		p.marked = true
	}
	return p.bucket.Publish(ctx, batch)
}

// Traces looks for the mark, or for objects of the lane.
func (p *plain) Traces(ctx context.Context) (sink.Traces, error) { return p.traces(ctx, p.ledger) }

// Release hands over a position that delivery: exactly_once left.
func (p *plain) Release(ctx context.Context, keep func(pos []byte) error) error {
	return p.ledger.Release(ctx, keep)
}

// Close lets go of the log.
func (p *plain) Close() error {
	p.ledger.Close()
	return p.bucket.Close()
}

// markKey is an object that exists once a lane delivered. It is not in the folder of the
// logs, with which it must not be lost.
func (b *bucket) markKey() string {
	return "_sluice-delivered/" + objectlog.LaneName(b.lane) + ".json"
}

var mark = objectstore.Object{Body: []byte("{}"), Type: "application/json"}
