package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// transaction is what a sink that keeps the position takes in one step.
type transaction struct {
	pages   part // what there is to publish, of which
	rest    part // these were not refused,
	places  []int
	unable  []sink.Reject // that could not be encoded
	refused []sink.Reject
	next    source.Position
}

func newTransaction(pages part, unable []sink.Reject, next source.Position) transaction {
	t := transaction{pages: pages, rest: pages, places: make([]int, pages.len()), unable: unable, next: next}
	for i := range t.places {
		t.places[i] = i
	}
	return t
}

func (t transaction) rejects() []sink.Reject { return slices.Concat(t.unable, t.refused) }

// without is t with rejects in place of the records that have a fault.
func (t transaction) without(faults []error) transaction {
	less := newTransaction(t.pages, t.unable, t.next)
	less.rest, less.places, less.refused = part{}, nil, slices.Clone(t.refused)
	for i, fault := range faults {
		if fault != nil {
			less.refused = append(less.refused, reject(t.rest, i, fault))
			continue
		}
		less.rest.records = append(less.rest.records, t.rest.records[i])
		less.rest.raws = append(less.rest.raws, t.rest.raws[i])
		less.places = append(less.places, t.places[i])
	}
	return less
}

// rows are the most rejects that follow each other, after before of them, and how
// many come last.
func (t transaction) rows(before int) (most, last int) {
	behind := -before
	for _, place := range t.places {
		most = max(most, place-behind)
		behind = place + 1
	}
	last = t.pages.len() - behind
	return max(most, last), last
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
		var again error
		if t, again = p.refused(t, err); again == nil {
			continue
		}
		if err := p.publishing.pause(ctx, again); err != nil {
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
	ledger := p.dest.sink.(sink.Ledger)
	return p.dest.attempt(ctx, fmt.Sprintf("commit of %d records", t.rest.len()), func(ctx context.Context) error {
		return ledger.PublishAt(ctx, t.rest.records, t.rejects(), t.next)
	})
}

func (p *publisher) committed(t transaction) {
	p.publishing.succeeded()
	_, p.row = t.rows(p.row)
	p.delivered(t.rest.len())
	p.buried(t.rejects())
	p.place.move(t.next, p.Source.Describe)
}

// refused is what is to be tried next, once the sink answered with err: at once,
// with rejects of the records that it names, or after a pause, because of the error
// returned.
func (p *publisher) refused(t transaction, err error) (transaction, error) {
	var named sink.BatchError
	if !errors.As(err, &named) {
		return t, err
	}
	faults, ok := byIndex(named, t.rest.len())
	if !ok {
		return t, fmt.Errorf("an answer that names no record, one twice or one out of range tells nothing: %w", err)
	}
	for _, fault := range named {
		if !sink.IsPermanent(fault.Err) {
			return t, err
		}
	}
	less := t.without(faults)
	if row, _ := less.rows(p.row); row > p.MaxRejects {
		// Nothing is committed yet, so none of them has to be buried.
		return newTransaction(t.pages, t.unable, t.next), distrust(row, err)
	}
	return less, nil
}
