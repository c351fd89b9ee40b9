package verify

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/evidence"
)

// gather finds the records of a log that are not there.
func (c *Checker) gather(r *Report, l *log, elsewhere once) {
	m := &missing{r: r, l: l}
	for _, s := range l.covering {
		if s.broken {
			r.tell(noteFinding(Contradiction, s, "the root of its tree is not that of its records"))
		}
		r.Counts.Good += int64(s.good)
		c.rejects(r, s)
		if s.good == len(s.Tags) {
			m.here(s.ends[0])
			m.newest = s.ends[1]
			continue
		}
		for i := range s.Tags {
			switch index := uint64(i); {
			case s.has(index):
				m.here(s.time(index))
			case s.occupied(index):
				m.flush(0)
				m.began = true
			case s.rejected(index):
			case elsewhere[laneTag{l.last().Lane, s.Tags[i]}]:
				m.flush(0)
				m.began = true
				r.Counts.Once++
			default:
				m.lacks(s.From+index, s)
			}
		}
	}
	m.flush(0)
}

// missing collects neighbouring records that are not there.
type missing struct {
	r           *Report
	l           *log
	began       bool // a record was there
	newest      int64
	first, last uint64
	count       uint64
	note        *segment
}

func (m *missing) lacks(sequence uint64, s *segment) {
	if m.count > 0 && m.last+1 != sequence { // rejected ones lie between
		m.flush(0)
	}
	if m.count == 0 {
		m.first, m.note = sequence, s
	}
	m.last = sequence
	m.count++
}

func (m *missing) here(time int64) {
	m.flush(time)
	m.began, m.newest = true, time
}

// flush tells what was collected. after is the time of the record behind it.
func (m *missing) flush(after int64) {
	if m.count == 0 {
		return
	}
	first, last, count := m.first, m.last, m.count
	m.count = 0
	f := Finding{Kind: Missing, Log: m.l.origin, Sequence: &first, Last: &last, Epoch: m.note.epoch, Note: &m.note.Number}
	if m.newest != 0 {
		f.Before = moment(m.newest)
	}
	if after != 0 {
		f.After = moment(after)
	}
	if !m.began && m.l.first().Number > 0 && m.note == m.l.covering[0] && last < m.note.Size {
		f.Kind, f.Detail = Begins, "the export begins within the records of its first note"
		m.r.note(f)
		return
	}
	m.r.tell(f)
	m.r.Counts.Missing += int64(count)
}

// rejects lists the records of a note that became dead letters.
func (c *Checker) rejects(r *Report, s *segment) {
	for i := range s.Rejected {
		d := &s.Rejected[i]
		f := Finding{Kind: Rejected, Log: s.Origin, Note: &s.Number, Time: s.Time, Sequence: &d.Sequence, ID: d.ID}
		if s.has(d.Sequence - s.From) {
			r.Counts.Redriven++
			f.Detail = "delivered later"
		}
		r.Counts.Rejected++
		r.list(f)
	}
}

// logReport tells how far a log proves anything.
func (c *Checker) logReport(l *log) Log {
	first, last := l.first(), l.last()
	g := Log{
		Origin: l.origin, Lane: last.Lane, Notes: len(l.notes), FirstNote: first.Number, LastNote: last.Number,
		From: first.Time, To: last.Time, Records: last.Size - first.From, First: first.From, Epoch: last.Epoch,
	}
	keys := map[string]bool{}
	for _, s := range l.notes {
		if s.Through.After(g.Through) {
			g.Through = s.Through
		}
		g.Filtered += s.Filtered
		if s.Kind == evidence.Statement && s.Day != nil {
			g.Statements++
			g.Audit = s.Day.Audit
		}
		for _, by := range s.by {
			if name := fmt.Sprintf("%s+%08x", by.Name, by.Hash); !keys[name] {
				keys[name] = true
				g.Keys = append(g.Keys, name)
			}
		}
	}
	return g
}
