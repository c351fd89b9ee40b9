package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// transaction is what a sink that keeps the position commits in one step.
type transaction struct {
	pages   part // all records
	rest    part // the records that were not refused
	places  []int
	unable  []sink.Reject // events that could not be encoded, or are older than the destination takes
	refused []sink.Reject
	next    source.Position
	entry   entry
}

func newTransaction(pages part, unable []sink.Reject, next source.Position) transaction {
	t := transaction{pages: pages, rest: pages, places: make([]int, pages.len()), unable: unable, next: next}
	for i := range t.places {
		t.places[i] = i
	}
	return t
}

// anew returns a transaction of other records in place of those of t.
func (t transaction) anew(pages part, unable []sink.Reject) transaction {
	other := newTransaction(pages, unable, t.next)
	other.entry = t.entry
	return other
}

func (t transaction) rejects() []sink.Reject { return slices.Concat(t.unable, t.refused) }

// without returns t with the faulty records as rejects.
func (t transaction) without(faults []error) transaction {
	less := t.anew(t.pages, t.unable)
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

// rejectsInRow returns the length of the longest row of rejects, and of the row at the
// end. before is the length of the row that this transaction continues.
func (t transaction) rejectsInRow(before int) (most, last int) {
	behind := -before
	for _, place := range t.places {
		most = max(most, place-behind)
		behind = place + 1
	}
	last = t.pages.len() - behind
	return max(most, last), last
}

// commit publishes until everything is committed. In the next attempt, refused records
// are dead letters. The error is sink.ErrMoved or that of stop.soft. stop.soft ends the
// waiting between attempts; an attempt may take until stop.hard ends.
func (p *publisher) commit(stop stopping, t transaction) error {
	age := ageLimit{most: p.dest.limits.OldestEvent}
	known := true // whether the last attempt committed anything
	for {
		if known { // Otherwise the sink compares the attempts.
			var err error
			if t, err = p.enter(p.screened(&age, t)); err != nil {
				return err
			}
		}
		err := p.dest.publishAt(stop.hard, t)
		switch {
		case err == nil:
			p.committed(t)
			return nil
		case errors.Is(err, sink.ErrMoved):
			return err
		}
		var again error
		if t, known, again = p.refused(t, err); again == nil {
			continue
		}
		if err := p.lane.publishing.pause(stop.soft, again); err != nil {
			return err
		}
		if p.dest.sink == nil {
			return fmt.Errorf("the sink must be reopened: %w", sink.ErrMoved)
		}
	}
}

// screened returns the transaction without the records that have become too old.
func (p *publisher) screened(age *ageLimit, t transaction) transaction {
	stay, buried := p.screen(age, t.pages)
	if len(buried) == 0 {
		return t
	}
	return t.anew(stay, slices.Concat(t.unable, buried))
}

func (p *publisher) committed(t transaction) {
	p.lane.publishing.succeeded()
	_, p.rejectsInRow = t.rejectsInRow(p.rejectsInRow)
	p.delivered(t.rest.len())
	p.buried(t.rejects())
	p.lane.place.move(t.next, p.lane.describe)
	p.entered(t.entry)
}

// refused returns the transaction to try after the sink answered with err. Without an
// error, the sink named bad records, which are now rejects, and the next attempt starts
// at once. Otherwise the next attempt starts after a pause, and the error is its reason.
// known reports whether the answer tells that nothing was committed.
func (p *publisher) refused(t transaction, err error) (again transaction, known bool, why error) {
	var named sink.BatchError
	if !errors.As(err, &named) {
		return t, false, err
	}
	faults, invalid := named.Faults(t.rest.len() + t.entry.notes.len())
	if invalid != nil {
		return t, false, invalid
	}
	for _, fault := range named {
		if !sink.IsPermanent(fault.Err) {
			return t, true, err
		}
	}
	less := t.without(faults[:t.rest.len()])
	less.entry = t.entry.without(faults[t.rest.len():])
	if most, _ := less.rejectsInRow(p.rejectsInRow); most > p.lane.MaxRejects {
		// Nothing is committed yet, so no reject has to stay one.
		return t.anew(t.pages, t.unable), true, distrust(most, err)
	}
	return less, true, nil
}
