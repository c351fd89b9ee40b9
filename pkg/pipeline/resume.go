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
// not, is carried over to the sink once, and the other way round. Then one of the two
// has it: a copy that stayed in the state would grow old, and be believed once the
// sink lost its own.
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
	switch {
	case err != nil:
		return nil, err
	case pos == nil:
		return l.carryOver(ctx, grace, dest)
	}
	return l.retire(ctx, grace, dest, pos)
}

// carryOver gives the sink the position that the state has, if it has one.
func (l *Lane) carryOver(ctx, grace context.Context, dest *destination) (source.Position, error) {
	pos, err := l.load(ctx)
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
	return l.forget(ctx, dest, pos)
}

// retire has the state forget what it still holds of a position that the sink keeps,
// as after a crash in the middle of carryOver. The sink commits first. Where both
// keep positions under one key in Kafka, that makes the one there the sink's own.
func (l *Lane) retire(ctx, grace context.Context, dest *destination, pos source.Position) (source.Position, error) {
	held, err := l.held(ctx)
	if err != nil || !held {
		return pos, err
	}
	if err := l.keep(ctx, grace, dest, pos); err != nil {
		return nil, err
	}
	return l.forget(ctx, dest, pos)
}

func (l *Lane) held(ctx context.Context) (held bool, err error) {
	states, ok := l.Positions.(Forgetter)
	if !ok {
		return false, nil
	}
	err = l.taking.until(ctx, func() (err error) {
		held, err = states.Holds(ctx, l.Name)
		return err
	})
	return held, err
}

// forget is called once the sink has committed pos, and never before: there is a
// position at each moment.
func (l *Lane) forget(ctx context.Context, dest *destination, pos source.Position) (source.Position, error) {
	states, ok := l.Positions.(Forgetter)
	if !ok {
		return pos, nil
	}
	if err := l.taking.until(ctx, func() error { return states.Forget(ctx, l.Name) }); err != nil {
		return nil, err
	}
	// A state in the sink's own cluster may have taken the lane from the sink.
	return l.take(ctx, dest)
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
