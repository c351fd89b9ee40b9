package pipeline

import (
	"context"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// publisher is the last stage of a lane.
type publisher struct {
	*Lane
	dest  *destination
	ahead *page // taken from the queue, but too much for the batch before
	row   int   // rejects since the last delivery
	told  cadence
}

// run settles what is queued until ctx ends or the queue is closed and empty.
// What is under way when ctx ends may take until grace does.
func (p *publisher) run(ctx, grace context.Context, in *queue) error {
	for {
		if err := p.dest.ready(ctx); err != nil {
			return err
		}
		pages, err := p.gather(ctx, in)
		if len(pages) == 0 {
			return err
		}
		abandoned := p.dest.abandoned
		if err := p.settle(ctx, grace, pages); err != nil {
			return err
		}
		for _, done := range pages {
			in.release(done)
			if p.dest.abandoned == abandoned { // Else a Publish that hangs may still read it.
				in.reuse(done)
			}
		}
		p.state.settled(len(pages))
	}
}

// gather waits for a page and adds what is queued behind it, as long as all fits
// into one Publish. It is empty once the queue is closed and empty.
func (p *publisher) gather(ctx context.Context, in *queue) ([]*page, error) {
	next := p.ahead
	p.ahead = nil
	if next == nil {
		var err error
		if next, err = in.take(ctx); next == nil {
			return nil, err
		}
	}
	var pages []*page
	var size load
	for {
		pages = append(pages, next)
		size.add(next.part)
		select {
		case next = <-in.pages:
		default:
			return pages, nil
		}
		if next == nil {
			return pages, nil
		}
		if !size.with(next.part).within(p.dest.limits) {
			p.ahead = next
			return pages, nil
		}
	}
}

// settle makes every record of pages the destination's or a dead letter, and
// only then moves the position: publish, dead letter, checkpoint. Swapping two
// of these loses events at the next crash. A sink that keeps the position does all
// of it in one step.
func (p *publisher) settle(ctx, grace context.Context, pages []*page) error {
	var rejects []sink.Reject
	parts := make([]part, len(pages))
	filtered := 0
	for i, page := range pages {
		parts[i] = page.part
		filtered += page.filtered
		rejects = append(rejects, page.rejects...)
	}
	rest := join(parts...)
	next := pages[len(pages)-1].next
	if _, ok := p.dest.sink.(sink.Ledger); ok {
		if err := p.commit(ctx, grace, newTransaction(rest, rejects, next)); err != nil {
			return err
		}
		p.state.passed(filtered)
		return nil
	}
	for rest.len() > 0 {
		n := fitting(rest, p.dest.limits)
		refused, err := p.deliver(ctx, grace, rest.slice(0, n))
		if err != nil {
			return err
		}
		rejects = append(rejects, refused...)
		rest = rest.slice(n, rest.len())
	}
	if err := p.bury(ctx, grace, rejects); err != nil {
		return err
	}
	p.state.passed(filtered)
	return p.save(ctx, grace, next)
}

// bury puts rejects on stable storage. A store that is full stops the lane.
func (p *publisher) bury(ctx, grace context.Context, rejects []sink.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	err := p.burying.until(ctx, func() error { return p.DeadLetters.Put(grace, p.Name, rejects) })
	if err != nil {
		return err
	}
	p.buried(rejects)
	return nil
}

// buried tells of rejects that are on stable storage.
func (p *publisher) buried(rejects []sink.Reject) {
	p.state.rejected(len(rejects))
	if len(rejects) > 0 && p.told.due("rejected") {
		p.log.Warn().Int("records", len(rejects)).Str("id", rejects[0].Record.ID).
			Str("reason", rejects[0].Reason).Msg("records rejected and kept as dead letters")
	}
}

// save moves the lane's checkpoint to pos.
func (l *Lane) save(ctx, grace context.Context, pos source.Position) error {
	err := l.saving.until(ctx, func() error { return l.Positions.Save(grace, l.Name, pos) })
	if err == nil {
		l.place.move(pos, l.Source.Describe)
	}
	return err
}

// load is what a batch asks of a sink's limits.
type load struct{ records, bytes int }

func (l *load) add(p part) { *l = l.with(p) }

func (l load) with(p part) load {
	l.records += p.len()
	for i := range p.records {
		l.bytes += len(p.records[i].Body)
	}
	return l
}

func (l load) within(limits sink.Limits) bool {
	return l.records <= limits.Records && l.bytes <= limits.Bytes
}

// fitting is how many records of p one Publish may be handed; at least one, since
// a record that is larger than a batch may be is for the sink to refuse.
func fitting(p part, limits sink.Limits) int {
	var size load
	for n := range p.records {
		size.add(p.slice(n, n+1))
		if !size.within(limits) {
			return max(n, 1)
		}
	}
	return p.len()
}
