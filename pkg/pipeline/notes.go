package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// settleWithNotes is how many records a position covers at most, if notes about them wait
// in it. So it stays small.
const settleWithNotes = 1000

// save moves the lane's checkpoint to a position with evidence, and then delivers the
// notes in it.
func (p *publisher) save(stop stopping, done evidence.Settled, next source.Position) error {
	s, err := p.log.settle(done, next)
	if err != nil {
		return err
	}
	pos, err := s.Join(next)
	if err != nil {
		return err
	}
	if err := p.lane.save(stop, pos, next); err != nil {
		return err
	}
	p.log.saved(s)
	if len(done.Leaves) > 0 {
		return p.tell(stop)
	}
	return p.tellSoon(stop)
}

// tell delivers the notes in the saved position. The next position does without them.
func (p *publisher) tell(stop stopping) error {
	if len(p.log.state.Pending) == 0 {
		return nil
	}
	w, err := p.log.encode(p.log.state.Pending, nil)
	if err != nil {
		return err
	}
	for rest := w.notes; rest.len() > 0; {
		n := p.dest.limits.Fitting(rest.records)
		d := delivery{pub: p, rest: rest.slice(0, n), window: n, notes: true}
		refused, err := d.run(stop, ageLimit{}) // A note that is late is told all the same.
		if err != nil {
			return err
		}
		w.letters = append(w.letters, refused...)
		rest = rest.slice(n, rest.len())
	}
	if len(w.letters) > 0 {
		err := p.lane.burying.until(stop.soft, func() error { return p.lane.DeadLetters.Put(stop.hard, p.lane.Name, w.letters) })
		if err != nil {
			return err
		}
	}
	s := p.log.state
	s.Pending = nil
	p.log.saved(s)
	p.log.told(w)
	return nil
}

// aside is how long a lane that delivers no records tries to deliver notes before it reads
// on.
const aside = 10 * time.Second

// tellSoon is tell, but ends without an error if the destination does not take the notes
// soon. What the source wants saved, and that time passes, must not wait for a
// destination as records do.
func (p *publisher) tellSoon(stop stopping) error {
	soft, cancel := context.WithTimeout(stop.soft, aside)
	defer cancel()
	err := p.tell(stopping{soft: soft, hard: stop.hard})
	if errors.Is(err, context.DeadlineExceeded) && stop.soft.Err() == nil {
		return nil
	}
	return err
}

// mostPending is how many notes of earlier runs may wait for their delivery when another
// run begins. Each run adds at least one, however often a lane is started while its
// destination is down.
const mostPending = 16

// openLog opens the log of a lane with evidence, and writes in it that the lane was taken.
// kept is the state in its position, nil if there is none: then a new log begins.
func (r *resumption) openLog(stop stopping, pos source.Position, kept *evidence.State) (*logbook, error) {
	l := r.lane
	if l.Evidence == nil {
		if kept != nil {
			l.log.Warn().Str("origin", kept.Origin).Uint64("records", kept.Tree.Size).
				Msg("evidence of the lane ends here: none is configured, and the next position forgets its log")
		}
		return nil, nil
	}
	if kept == nil {
		begun := evidence.New(l.Evidence.Organization, l.Name)
		kept, r.why = &begun, "the log begins"
	}
	log := newLogbook(l, r.dest.limits, *kept)
	p := &publisher{lane: l, dest: r.dest, log: log}
	if r.dest.keepsPosition() {
		t := newTransaction(part{}, nil, pos)
		t.entry.write = func([]sink.Reject) (evidence.State, error) { return log.open(pos, r.why) }
		return log, p.commit(stop, t)
	}
	if len(kept.Pending) >= mostPending {
		if err := p.tell(stop); err != nil {
			return nil, err
		}
	}
	s, err := log.open(pos, r.why)
	if err != nil {
		return nil, err
	}
	joined, err := s.Join(pos)
	if err != nil {
		return nil, err
	}
	if err := l.save(stop, joined, pos); err != nil {
		return nil, err
	}
	log.saved(s)
	return log, nil
}
