package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// keepsPosition reports whether the sink keeps the lane's position.
func (d *destination) keepsPosition() bool {
	_, ok := d.sink.(sink.Ledger)
	return ok
}

// takeLane takes the lane at a sink that keeps its position. It returns the position, nil
// if there is none.
func (d *destination) takeLane(ctx context.Context) (source.Position, error) {
	return d.readPosition(ctx, "taking the lane", func(ctx context.Context, ledger sink.Ledger) (source.Position, error) {
		return ledger.Position(ctx)
	})
}

// lookUp reads the position without taking the lane, so it fences nobody.
func (d *destination) lookUp(ctx context.Context) (source.Position, error) {
	return d.readPosition(ctx, "looking for a position", func(ctx context.Context, ledger sink.Ledger) (source.Position, error) {
		pos, _, err := ledger.Look(ctx)
		return pos, err
	})
}

// readPosition calls read until it succeeds.
func (d *destination) readPosition(ctx context.Context, what string, read func(context.Context, sink.Ledger) (source.Position, error)) (pos source.Position, err error) {
	err = d.lane.taking.until(ctx, func() error {
		if err := d.ready(ctx); err != nil {
			return err
		}
		ledger := d.sink.(sink.Ledger)
		found := new(source.Position) // not shared with an attempt that was abandoned
		err := d.attempt(ctx, what, func(ctx context.Context) (err error) {
			*found, err = read(ctx, ledger)
			return err
		})
		if err == nil {
			pos = *found
		}
		return err
	})
	return pos, err
}

// publishAt calls the PublishAt of a sink that keeps the position, once.
func (d *destination) publishAt(ctx context.Context, t transaction) error {
	what := fmt.Sprintf("commit of %d records", t.rest.len())
	defer d.asking(what)()
	ledger := d.sink.(sink.Ledger)
	return d.attempt(ctx, what, func(ctx context.Context) error {
		return ledger.PublishAt(ctx, t.batch(), slices.Concat(t.rejects(), t.entry.letters), t.position())
	})
}
