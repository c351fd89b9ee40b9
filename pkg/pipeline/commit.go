package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// transaction is what a sink that keeps the position takes in one step.
type transaction struct {
	ledger  sink.Ledger
	rest    part
	rejects []sink.Reject
	next    source.Position
}

// commit publishes until all is committed. Records that are refused become dead
// letters in the next attempt. The error is that of ctx, which ends the waiting
// between attempts but not an attempt, or sink.ErrMoved.
func (p *publisher) commit(ctx, grace context.Context, t transaction) error {
	for {
		err := p.publishAt(grace, t)
		switch {
		case err == nil:
			p.committed(t)
			return nil
		case errors.Is(err, sink.ErrMoved):
			return err
		}
		if refused := p.refused(&t, err); refused == nil {
			continue
		} else if err := p.publishing.pause(ctx, refused); err != nil {
			return err
		}
		if p.dest.sink == nil {
			return fmt.Errorf("the sink has to be opened anew: %w", sink.ErrMoved)
		}
	}
}

func (p *publisher) publishAt(ctx context.Context, t transaction) error {
	defer p.state.asking()()
	began := time.Now()
	defer func() { p.state.observe(time.Since(began)) }()
	return p.dest.attempt(ctx, fmt.Sprintf("commit of %d records", t.rest.len()), func(ctx context.Context) error {
		return t.ledger.PublishAt(ctx, t.rest.records, t.rejects, t.next)
	})
}

func (p *publisher) committed(t transaction) {
	p.publishing.succeeded()
	if t.rest.len() > 0 {
		p.row = 0
		p.delivered(t.rest.len())
	}
	p.buried(t.rejects)
	p.state.saved(t.next)
}

// refused makes rejects of the records that err names, or returns why the same is
// to be tried again.
func (p *publisher) refused(t *transaction, err error) error {
	var named sink.BatchError
	if !errors.As(err, &named) {
		return err
	}
	faults, ok := byIndex(named, t.rest.len())
	if !ok {
		return fmt.Errorf("an answer that names no record, one twice or one out of range tells nothing: %w", err)
	}
	for _, fault := range named {
		if !sink.IsPermanent(fault.Err) {
			return err
		}
	}
	if p.row+len(named) > p.MaxRejects {
		return distrust(p.row+len(named), err)
	}
	p.row += len(named)
	var keep part
	for i, fault := range faults {
		if fault != nil {
			t.rejects = append(t.rejects, reject(t.rest, i, fault))
			continue
		}
		keep.records = append(keep.records, t.rest.records[i])
		keep.raws = append(keep.raws, t.rest.raws[i])
	}
	t.rest = keep
	return nil
}
