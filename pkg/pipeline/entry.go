package pipeline

import (
	"maps"
	"slices"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// entry is what a transaction commits beside records if its lane has evidence: the state in
// the position, and the notes that cover the records. The zero value is without evidence.
type entry struct {
	write   func(rejects []sink.Reject) (evidence.State, error) // makes the state and its notes
	refused map[int]error                                       // why notes were refused, by their place among the signed ones

	state evidence.State
	written
	pos source.Position
}

// enter writes the entry of a transaction anew, since its rejects may have changed. It must
// not be called while the outcome of an attempt is unknown.
func (p *publisher) enter(t transaction) (transaction, error) {
	e := entry{write: t.entry.write, refused: t.entry.refused}
	if e.write == nil {
		return t, nil
	}
	var err error
	if e.state, err = e.write(t.rejects()); err != nil {
		return t, err
	}
	if e.written, err = p.log.encode(e.state.Pending, e.refused); err != nil {
		return t, err
	}
	e.state.Pending = nil // They are committed with the position.
	e.pos, err = e.state.Join(t.next)
	t.entry = e
	return t, err
}

// without returns the entry with the faulty notes as refused ones.
func (e entry) without(faults []error) entry {
	e.refused = maps.Clone(e.refused)
	for i, fault := range faults {
		if fault == nil {
			continue
		}
		if e.refused == nil {
			e.refused = map[int]error{}
		}
		e.refused[e.places[i]] = fault
	}
	return e
}

// entered keeps what was committed.
func (p *publisher) entered(e entry) {
	if e.write != nil {
		p.log.saved(e.state)
		p.log.told(e.written)
	}
}

// batch returns all records of a transaction. The notes are last.
func (t transaction) batch() []sink.Record {
	if t.entry.notes.len() == 0 {
		return t.rest.records
	}
	return slices.Concat(t.rest.records, t.entry.notes.records)
}

func (t transaction) position() source.Position {
	if t.entry.write == nil {
		return t.next
	}
	return t.entry.pos
}
