package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// deliver publishes records until each is delivered or refused for good, and
// returns the refused. The error is that of ctx, which ends the waiting between
// attempts, but not an attempt: that may take until grace ends.
func (p *publisher) deliver(ctx, grace context.Context, records part) ([]sink.Reject, error) {
	d := delivery{publisher: p, rest: records, window: records.len()}
	for d.rest.len() > 0 {
		if err := p.dest.ready(ctx); err != nil {
			return nil, err
		}
		answered := p.state.asking()
		err := p.dest.publish(grace, d.head().records)
		answered()
		if again := d.answer(err); again != nil {
			if err := p.publishing.pause(ctx, again); err != nil {
				return nil, err
			}
		}
	}
	return d.rejects, nil
}

// delivery is a batch on its way. Of the records that are left, oldest first,
// the next attempts are about those in the window. If the sink said of the
// window as a whole that a record in it is bad, its halves are tried in turn, the
// older first: that finds one bad record among n with log2 n + 3 attempts at
// most, and delivers all others in their order.
type delivery struct {
	*publisher
	rest    part
	window  int
	bad     bool // the window is known to hold a bad record
	rejects []sink.Reject
}

// head is what the next attempt publishes.
func (d *delivery) head() part {
	if d.bad && d.window > 1 {
		return d.rest.slice(0, d.window/2)
	}
	return d.rest.slice(0, d.window)
}

// answer takes in what the sink said about head. If records of it have to be
// published again after a pause, it returns why.
func (d *delivery) answer(err error) (again error) {
	var named sink.BatchError
	switch {
	case err == nil:
		return d.took(nil, nil)
	// A BatchError unwraps to the errors of its records, so that asking first
	// whether err is permanent would take one record's fate for that of all.
	case errors.As(err, &named):
		faults, ok := byIndex(named, d.head().len())
		if !ok {
			return fmt.Errorf("an answer that names no record, one twice or one out of range tells nothing: %w", err)
		}
		return d.took(faults, err)
	case !sink.IsPermanent(err):
		return err
	case d.head().len() > 1:
		d.window, d.bad = d.head().len(), true
		return nil
	default:
		return d.took([]error{err}, err)
	}
}

// byIndex spreads a BatchError over the records it is about, nil for those that
// were delivered. It is not ok if the error tells nothing.
func byIndex(named sink.BatchError, n int) (faults []error, ok bool) {
	faults = make([]error, n)
	for _, fault := range named {
		if fault.Index < 0 || fault.Index >= n || faults[fault.Index] != nil {
			return nil, false
		}
		faults[fault.Index] = fault.Err
		if fault.Err == nil {
			faults[fault.Index] = errors.New("not delivered, without a reason")
		}
	}
	return faults, len(named) > 0
}

// took settles head, given a fault for each record that was not delivered, or
// nil if all were. A record with a permanent fault is rejected; any other that
// was not delivered stays first in line, to be published again without those
// that are settled. If any stay, err is returned, as the reason to wait.
func (d *delivery) took(faults []error, err error) (again error) {
	head := d.head()
	var keep part
	delivered := 0
	for i := range head.records {
		switch {
		case faults == nil || faults[i] == nil:
			delivered++
			d.row = 0
		case sink.IsPermanent(faults[i]) && d.row < d.MaxRejects:
			d.row++
			d.rejects = append(d.rejects, reject(head, i, faults[i]))
		default:
			keep.records = append(keep.records, head.records[i])
			keep.raws = append(keep.raws, head.raws[i])
		}
	}
	d.delivered(delivered)
	if delivered > 0 {
		// A large batch may meet several failures. As long as each attempt gets
		// further, they are none in a row.
		d.publishing.wait.Reset()
	}
	d.advance(head.len(), keep, faults != nil)
	switch {
	case keep.len() == 0:
		d.publishing.succeeded()
		return nil
	case d.row >= d.MaxRejects:
		return distrust(d.row, err)
	}
	return err
}

// delivered tells of records that the destination took.
func (p *publisher) delivered(n int) {
	if first := p.state.published(n); first {
		p.log.Info().Int("records", n).Msg("first records delivered")
	}
}

// advance moves past the first n records, except for those to keep, which are
// tried by themselves first. What was known about a window of records holds no
// longer once the sink named some of them.
func (d *delivery) advance(n int, keep part, named bool) {
	d.rest = d.rest.slice(n, d.rest.len())
	d.window -= n
	if keep.len() > 0 {
		d.rest = join(keep, d.rest)
		d.window, d.bad = keep.len(), false
	} else if named || d.window == 0 {
		d.window, d.bad = d.rest.len(), false
	}
}

func reject(p part, i int, err error) sink.Reject {
	return sink.Reject{Record: p.records[i], Raw: p.raws[i], Reason: err.Error(), Time: time.Now()}
}

// distrust is the error of a destination that refuses one record after the
// other. It is not permanent as the records' errors are: they are published
// again, slowly, until the destination takes one.
func distrust(row int, err error) error {
	return sink.Destination(
		fmt.Errorf("%d records in a row were refused, which is taken for a fault of the destination: %w", row, err),
		"the lane's newest dead letters say why; where the records are at fault after all, raise max_rejects")
}
