package pipeline

import (
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// publisher is the last stage of a lane.
type publisher struct {
	lane         *Lane
	dest         *destination
	log          *logbook // nil without evidence
	auditor      *auditor // nil without audits
	rejectsInRow int      // since the last delivery
	told         cadence.Cadence
	toldOld      cadence.Cadence // that events are beyond the window
}

// run settles queued pages until stop.soft ends, or the queue is closed and empty. The
// batch under way may then take until stop.hard ends.
func (p *publisher) run(stop stopping, in *queue) error {
	for {
		pages, err := p.gather(stop.soft, in)
		if len(pages) == 0 {
			return err
		}
		abandoned := p.dest.abandoned
		if err := p.settle(stop, pages); err != nil {
			return err
		}
		for _, done := range pages {
			in.release(done)
			if p.dest.abandoned == abandoned { // Otherwise a Publish that hangs may still read the page.
				done.reuse()
			}
		}
		p.lane.state.settled(len(pages))
	}
}

// settle delivers or buries every record of pages, and only then moves the position:
// publish, dead letter, checkpoint. In any other order a crash loses events. A sink that
// keeps the position does all of it in one step.
func (p *publisher) settle(stop stopping, pages []*page) error {
	next, saved, err := p.auditor.behind(pages)
	if err == nil {
		err = p.settleAt(stop, pages, next)
	}
	if err == nil {
		saved()
	}
	return err
}

// settleAt settles pages and moves the position to next.
func (p *publisher) settleAt(stop stopping, pages []*page, next source.Position) error {
	var rejects []sink.Reject
	var leaves []evidence.Leaf
	parts := make([]part, len(pages))
	filtered := 0
	for i, page := range pages {
		parts[i] = page.part
		filtered += page.filtered
		rejects = append(rejects, page.rejects...)
		leaves = append(leaves, page.leaves...)
	}
	rest := join(parts...)
	done := evidence.Settled{Leaves: leaves, Records: rest.records, Filtered: filtered}
	if p.dest.keepsPosition() {
		t := newTransaction(rest, rejects, next)
		if p.log != nil {
			t.entry.write = func(rejects []sink.Reject) (evidence.State, error) {
				done.Rejects = rejects
				return p.log.settle(done, next)
			}
		}
		if err := p.commit(stop, t); err != nil {
			return err
		}
		p.lane.state.passed(filtered)
		return nil
	}
	if len(leaves) > 0 {
		if err := p.tell(stop); err != nil {
			return err
		}
	}
	for rest.len() > 0 {
		n := p.dest.limits.Fitting(rest.records)
		refused, err := p.deliver(stop, rest.slice(0, n))
		if err != nil {
			return err
		}
		rejects = append(rejects, refused...)
		rest = rest.slice(n, rest.len())
	}
	if err := p.bury(stop, rejects); err != nil {
		return err
	}
	p.lane.state.passed(filtered)
	if p.log == nil {
		return p.lane.save(stop, next, next)
	}
	done.Rejects = rejects
	return p.save(stop, done, next)
}

// bury puts rejects on stable storage. A store that is full stops the lane.
func (p *publisher) bury(stop stopping, rejects []sink.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	err := p.lane.burying.until(stop.soft, func() error { return p.lane.DeadLetters.Put(stop.hard, p.lane.Name, rejects) })
	if err != nil {
		return err
	}
	p.buried(rejects)
	return nil
}

// buried counts and logs rejects that are on stable storage.
func (p *publisher) buried(rejects []sink.Reject) {
	p.lane.state.rejected(len(rejects))
	if len(rejects) > 0 && p.told.Due("rejected") {
		p.lane.log.Warn().Int("records", len(rejects)).Str("id", rejects[0].Record.ID).
			Str("reason", rejects[0].Reason).Msg(fate(p.lane.DeadLetters))
	}
}

// fate says for the log what became of rejects. DeadLetters that keep none say so.
func fate(d DeadLetters) string {
	if other, ok := d.(interface{ Fate() string }); ok {
		return other.Fate()
	}
	return "records rejected and kept as dead letters"
}

// save moves the lane's checkpoint to pos. at is the source's part of it.
func (l *Lane) save(stop stopping, pos, at source.Position) error {
	err := l.saving.until(stop.soft, func() error { return l.Positions.Save(stop.hard, l.Name, pos) })
	if err == nil {
		l.place.move(at, l.describe)
	}
	return err
}
