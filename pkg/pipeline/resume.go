package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// resumption finds the position from which a lane resumes.
type resumption struct {
	lane *Lane
	dest *destination
	why  string // why the lane is taken, for its log
}

// open opens a reader at the lane's checkpoint, and its log if it keeps one. For a lane
// without a checkpoint it resolves the start and saves it before it reads, so "now" means
// the same moment after a crash. The error is that of stop.soft, or the reason why to
// continue would be a guess.
func (r *resumption) open(stop stopping) (resumed, error) {
	var none resumed
	if err := r.dest.ready(stop.soft); err != nil {
		return none, err
	}
	saved, err := r.position(stop)
	if err != nil {
		return none, err
	}
	again := saved != nil
	if !again {
		if saved, err = r.begin(stop); err != nil {
			return none, err
		}
	}
	l := r.lane
	pos, kept, hours, err := evidence.SplitAll(saved)
	if err != nil {
		return none, fmt.Errorf("lane %s: %w", l.Name, err)
	}
	reader, err := l.Source.Open(pos, source.Env{Lane: l.Name, Log: l.Log, Memory: l.Memory, Page: r.dest.limits.Records})
	if err != nil {
		return none, fmt.Errorf("lane %s: resume at checkpoint: %w", l.Name, err)
	}
	l.place.move(pos, l.describe)
	at := resumed{reader: reader}
	if at.auditor, err = newAuditor(l, r.dest.limits.Records, hours, pos); err == nil && at.auditor != nil {
		pos, err = at.auditor.position()
	}
	if err == nil {
		at.log, err = r.openLog(stop, pos, kept)
	}
	if err != nil {
		return none, errors.Join(err, reader.Close())
	}
	l.log.Info().Bool("resumed", again).Msg("lane started")
	return at, nil
}

// resumed is what a lane that was resumed works with.
type resumed struct {
	reader  source.Reader
	log     *logbook // nil without evidence
	auditor *auditor // nil without audits
}

// position returns where the lane resumes, nil if it has not begun. If the sink keeps the
// position, the sink is asked. If an earlier run kept it in the state, the sink takes it
// over once; the reverse happens, too. From then on only one of them has it. A copy in
// the state would grow old, and would be used if the sink lost its own.
func (r *resumption) position(stop stopping) (source.Position, error) {
	if !r.dest.keepsPosition() {
		if err := r.release(stop); err != nil {
			return nil, err
		}
		return r.load(stop.soft)
	}
	if err := r.stillLost(stop.soft); err != nil {
		return nil, err
	}
	pos, err := r.dest.takeLane(stop.soft)
	switch {
	case err != nil:
		return nil, err
	case pos == nil:
		return r.carryOver(stop)
	}
	return r.retire(stop, pos)
}

// carryOver gives the sink the position in the state, if there is one.
func (r *resumption) carryOver(stop stopping) (source.Position, error) {
	pos, err := r.load(stop.soft)
	if err != nil {
		return nil, err
	}
	// A state in the sink's own cluster may have taken the lane from the sink.
	if _, err := r.dest.takeLane(stop.soft); err != nil || pos == nil {
		return nil, err
	}
	if err := r.commit(stop, pos); err != nil {
		return nil, err
	}
	r.lane.log.Info().Msg("position carried over from the state to the sink, which keeps it from now on")
	return r.forget(stop.soft, pos)
}

// retire removes from the state a position that the sink keeps, for example after a crash
// in carryOver. The sink commits its position first. If both keep positions under one key
// in Kafka, that makes the position there the sink's own.
func (r *resumption) retire(stop stopping, pos source.Position) (source.Position, error) {
	held, err := r.held(stop.soft)
	if err != nil || !held {
		return pos, err
	}
	if err := r.commit(stop, pos); err != nil {
		return nil, err
	}
	return r.forget(stop.soft, pos)
}

// held reports whether the state has a position of the lane that is not the sink's
// own.
func (r *resumption) held(ctx context.Context) (held bool, err error) {
	states, ok := r.lane.Positions.(Forgetter)
	if !ok {
		return false, nil
	}
	err = r.lane.taking.until(ctx, func() (err error) {
		held, err = states.Holds(ctx, r.lane.Name)
		return err
	})
	return held, err
}

// forget removes the position from the state. It is called only after the sink has
// committed pos, so there is a position at each moment.
func (r *resumption) forget(ctx context.Context, pos source.Position) (source.Position, error) {
	states, ok := r.lane.Positions.(Forgetter)
	if !ok {
		return pos, nil
	}
	if err := r.lane.taking.until(ctx, func() error { return states.Forget(ctx, r.lane.Name) }); err != nil {
		return nil, err
	}
	// A state in the sink's own cluster may have taken the lane from the sink.
	return r.dest.takeLane(ctx)
}

// release saves a position in the state that the sink kept in an earlier run.
func (r *resumption) release(stop stopping) error {
	former, ok := r.dest.sink.(sink.Releaser)
	if !ok {
		return nil
	}
	return r.lane.taking.until(stop.soft, func() error {
		return former.Release(stop.soft, func(pos []byte) error {
			return r.lane.Positions.Save(stop.hard, r.lane.Name, pos)
		})
	})
}

// load asks the state until it answers, or reports that the checkpoint is unusable.
func (r *resumption) load(ctx context.Context) (pos source.Position, err error) {
	var unusable error
	err = r.lane.taking.until(ctx, func() (err error) {
		pos, err = r.lane.Positions.Load(ctx, r.lane.Name)
		if failure.IsUnusable(err) {
			unusable = err // which names the checkpoint
			return nil
		}
		return err
	})
	if unusable != nil {
		return nil, fmt.Errorf("lane %s: %w", r.lane.Name, unusable)
	}
	return pos, err
}

// commit gives the sink a position without records.
func (r *resumption) commit(stop stopping, pos source.Position) error {
	p := &publisher{lane: r.lane, dest: r.dest}
	return p.commit(stop, newTransaction(part{}, nil, pos))
}
