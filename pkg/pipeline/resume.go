package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// resume opens a reader at the lane's checkpoint. A lane without one resolves
// where to begin, and saves that before anything is read, so that a start at
// "now" means the same moment after a crash. The error is of ctx, or says why
// going on would be a guess.
func (l *Lane) resume(ctx, grace context.Context, dest *destination) (source.Reader, error) {
	if err := dest.ready(ctx); err != nil {
		return nil, err
	}
	pos, err := l.position(ctx, grace, dest)
	if err != nil {
		return nil, err
	}
	resumed := pos != nil
	if !resumed {
		if pos, err = l.begin(ctx, grace, dest); err != nil {
			return nil, err
		}
	}
	reader, err := l.Source.Open(pos, source.Env{Lane: l.Name, Log: l.Log})
	if err != nil {
		return nil, fmt.Errorf("lane %s: resume at checkpoint: %w", l.Name, err)
	}
	l.place.move(pos, l.Source.Describe)
	l.log.Info().Bool("resumed", resumed).Msg("lane started")
	return reader, nil
}

// position is where the lane goes on, nil if it has not begun. A sink that keeps
// it is asked; what the state has of it from an earlier run, in which the sink did
// not, is carried over to the sink once, and the other way round.
func (l *Lane) position(ctx, grace context.Context, dest *destination) (source.Position, error) {
	if _, ok := dest.sink.(sink.Ledger); !ok {
		if err := l.release(ctx, grace, dest); err != nil {
			return nil, err
		}
		return l.load(ctx)
	}
	if err := l.stillLost(ctx, dest); err != nil {
		return nil, err
	}
	pos, err := l.take(ctx, dest)
	if pos != nil || err != nil {
		return pos, err
	}
	pos, err = l.load(ctx)
	if err != nil {
		return nil, err
	}
	// A state in the sink's own cluster may have taken the lane from the sink.
	if _, err := l.take(ctx, dest); err != nil || pos == nil {
		return nil, err
	}
	if err := l.keep(ctx, grace, dest, pos); err != nil {
		return nil, err
	}
	l.log.Info().Msg("position carried over from the state to the sink, which keeps it from now on")
	return pos, nil
}

// take asks a sink that keeps the position for it.
func (l *Lane) take(ctx context.Context, dest *destination) (pos source.Position, err error) {
	err = l.taking.until(ctx, func() error {
		if err := dest.ready(ctx); err != nil {
			return err
		}
		ledger := dest.sink.(sink.Ledger)
		found := new(source.Position) // not shared with an attempt that was abandoned
		err := dest.attempt(ctx, "taking the lane", func(ctx context.Context) (err error) {
			*found, err = ledger.Position(ctx)
			return err
		})
		if err == nil {
			pos = *found
		}
		return err
	})
	return pos, err
}

// release carries over a position that the sink kept in an earlier run.
func (l *Lane) release(ctx, grace context.Context, dest *destination) error {
	former, ok := dest.sink.(sink.Releaser)
	if !ok {
		return nil
	}
	return l.taking.until(ctx, func() error {
		return former.Release(ctx, func(pos []byte) error { return l.Positions.Save(grace, l.Name, pos) })
	})
}

// load asks the state until it answers, or says that the checkpoint is unusable.
func (l *Lane) load(ctx context.Context) (pos source.Position, err error) {
	var fatal error
	err = l.taking.until(ctx, func() (err error) {
		pos, err = l.Positions.Load(ctx, l.Name)
		if errors.Is(err, source.ErrUnusable) {
			fatal = err // which names the checkpoint
			return nil
		}
		return err
	})
	if fatal != nil {
		return nil, fmt.Errorf("lane %s: %w", l.Name, fatal)
	}
	return pos, err
}

// keep commits a position without records.
func (l *Lane) keep(ctx, grace context.Context, dest *destination, pos source.Position) error {
	p := &publisher{Lane: l, dest: dest}
	return p.commit(ctx, grace, newTransaction(part{}, nil, pos))
}
