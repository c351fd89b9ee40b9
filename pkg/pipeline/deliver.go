package pipeline

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// deliver publishes records until each is delivered or refused for good, and returns the
// refused ones. The error is that of stop.soft, which ends the waiting between attempts;
// an attempt may take until stop.hard ends.
func (p *publisher) deliver(stop stopping, records part) ([]sink.Reject, error) {
	d := delivery{pub: p, rest: records, window: records.len()}
	return d.run(stop, ageLimit{most: p.dest.limits.OldestEvent})
}

// run publishes until nothing is left.
func (d *delivery) run(stop stopping, age ageLimit) ([]sink.Reject, error) {
	p := d.pub
	for d.rest.len() > 0 {
		if err := p.dest.ready(stop.soft); err != nil {
			return nil, err
		}
		if d.screen(&age); d.rest.len() == 0 {
			break
		}
		err := p.dest.publish(stop.hard, d.head().records)
		if again := d.answer(err); again != nil {
			if err := p.lane.publishing.pause(stop.soft, again); err != nil {
				return nil, err
			}
		}
	}
	return d.rejects, nil
}

// delivery is a batch on its way. rest is the records that are left, oldest first; the
// next attempts publish those in the window. If the sink reports that the window holds
// a bad record, and not which one, its halves are tried in turn, the older first. That
// finds one bad record among n in log2 n + 3 attempts at most, and delivers all others
// in their order.
type delivery struct {
	pub     *publisher
	rest    part
	window  int
	bad     bool // the window is known to hold a bad record
	notes   bool // the records are notes of evidence, which nobody counts
	rejects []sink.Reject
}

// screen takes out the records that have become too old.
func (d *delivery) screen(age *ageLimit) {
	stay, buried := d.pub.screen(age, d.rest)
	if len(buried) == 0 {
		return
	}
	d.rejects = append(d.rejects, buried...)
	d.rest, d.window, d.bad = stay, stay.len(), false
}

// head is what the next attempt publishes.
func (d *delivery) head() part {
	if d.bad && d.window > 1 {
		return d.rest.slice(0, d.window/2)
	}
	return d.rest.slice(0, d.window)
}

// answer handles the sink's answer to head. If records of head must be published again
// after a pause, it returns the reason.
func (d *delivery) answer(err error) (again error) {
	var named sink.BatchError
	switch {
	case err == nil:
		return d.resolve(nil, nil)
	// This case must come before IsPermanent: a BatchError unwraps to the errors of its
	// records, so one permanent error among them would reject the whole batch.
	case errors.As(err, &named):
		faults, invalid := named.Faults(d.head().len())
		if invalid != nil {
			return invalid
		}
		return d.resolve(faults, err)
	case !sink.IsPermanent(err):
		return err
	case d.head().len() > 1:
		d.window, d.bad = d.head().len(), true
		return nil
	default:
		return d.resolve([]error{err}, err)
	}
}

// resolve decides about each record of head, given a fault for each that was not
// delivered, or nil if all were. A record with a permanent fault is rejected. Any other
// that was not delivered stays first in line, to be published again without the
// records of head that are decided. If any stay, err is returned, as the reason to
// wait.
func (d *delivery) resolve(faults []error, err error) (again error) {
	p, head := d.pub, d.head()
	var stay part
	delivered := 0
	for i := range head.records {
		switch {
		case faults == nil || faults[i] == nil:
			delivered++
			p.rejectsInRow = 0
		case sink.IsPermanent(faults[i]) && p.rejectsInRow < p.lane.MaxRejects:
			p.rejectsInRow++
			d.rejects = append(d.rejects, reject(head, i, faults[i]))
		default:
			stay.records = append(stay.records, head.records[i])
			stay.raws = append(stay.raws, head.raws[i])
		}
	}
	if !d.notes {
		p.delivered(delivered)
	}
	if delivered > 0 {
		// A large batch may meet several failures. As long as each attempt gets
		// further, they are none in a row.
		p.lane.publishing.wait.Reset()
	}
	d.advance(head.len(), stay, faults != nil)
	switch {
	case stay.len() == 0:
		p.lane.publishing.succeeded()
		return nil
	case p.rejectsInRow >= p.lane.MaxRejects:
		return distrust(p.rejectsInRow, err)
	}
	return err
}

// delivered counts records that the destination took, and logs the first ones.
func (p *publisher) delivered(n int) {
	if first := p.lane.state.published(n); first {
		p.lane.log.Info().Int("records", n).Msg("first records delivered")
	}
}

// advance moves past the first n records, except for those that stay, which are
// tried by themselves first. What was known about a window of records no longer holds
// once the sink named some of them.
func (d *delivery) advance(n int, stay part, named bool) {
	d.rest = d.rest.slice(n, d.rest.len())
	d.window -= n
	if stay.len() > 0 {
		d.rest = join(stay, d.rest)
		d.window, d.bad = stay.len(), false
	} else if named || d.window == 0 {
		d.window, d.bad = d.rest.len(), false
	}
}

func reject(p part, i int, err error) sink.Reject {
	return sink.Reject{Record: p.records[i], Raw: p.raws[i], Reason: err.Error(), Time: time.Now()}
}

// distrust is the error for a destination that refuses one record after the other. The
// records' errors are permanent, but this one is not: the records are published again,
// slowly, until the destination accepts one.
func distrust(rejectsInRow int, err error) error {
	return sink.Destination(
		fmt.Errorf("%d records in a row were refused, so the destination is taken to be at fault: %w", rejectsInRow, err),
		"this error says why a record was refused: correct the destination, or raise max_rejects if the records really are bad")
}
