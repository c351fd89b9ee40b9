package cursorlog

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// position is where a lane is in the log. Everything below the floor is settled. At or above
// it, exactly the named events are. A position does not depend on any particular event
// still being in the log.
//
// Times are milliseconds since the epoch. Times that differ by less are ties. Ties are
// safe, since all comparisons are ≥ floor.
type position struct {
	host, organization string
	floor              int64  // events with an earlier time are settled
	newest             int64  // the latest time of an event that was delivered
	through            int64  // time at the start of the last complete walk; while its events are being returned, the time up to which they were
	awaits             int64  // time of the oldest event that was listed and not returned yet; none if there is none
	behind             string // id behind which the log lists older events that no walk listed yet; "" if none waits
	named              []name
	undated            []name    // delivered events whose time decides nothing: it is never, or ahead of all clocks
	forgot             bool      // names in undated were forgotten
	anchor             [2]string // of a log that lists the oldest first: neighbours at which a walk may start
	gap                *gap      // found, and not yet returned: it comes before anything else
	under              int64     // the latest time of a name that the floor has passed
	gone               int64     // when a gap was found, the named events up to this time had left the log
	edge               *edge     // nil while the log reaches back as far as its retention

	index map[string]uint64 // digests of the named events; 0 if not seen since the start, varied if not always the same
	owed  int64             // the floor that bound could not reach yet
	end   [2]string         // of a log that lists the oldest first: its last two events, at which a poll starts
}

// name is a delivered event at or above the floor.
type name struct {
	id string
	at int64
}

const (
	never = math.MinInt64
	none  = math.MaxInt64 // of times of which the earliest counts

	maxNames   = 20000 // events that a position names
	maxUndated = 5000  // of them without a time
	maxBytes   = 500_000
	version    = 1
)

func newPosition(host, organization string) *position {
	return &position{
		host: host, organization: organization,
		floor: never, newest: never, through: never, awaits: none, under: never, gone: never, owed: never,
		index: map[string]uint64{},
	}
}

// isBeginning reports whether nothing was listed or delivered yet.
func (p *position) isBeginning() bool {
	return len(p.named) == 0 && len(p.undated) == 0 && p.newest == never && p.floor == never && p.through == never &&
		p.awaits == none && p.behind == "" && p.anchor == [2]string{} && p.gap == nil && p.edge == nil && p.under == never && p.gone == never
}

// knows reports whether the position names the event.
func (p *position) knows(l *Entry) bool {
	_, ok := p.index[l.ID]
	return ok
}

// deliver names an event that is returned. The digest of its bytes shows later whether it
// changed.
func (p *position) deliver(l *Entry, digest uint64) {
	id := strings.Clone(l.ID) // outlives the page
	p.index[id] = digest
	if !l.dated {
		at := int64(never)
		if l.At != 0 {
			at = l.At
		}
		p.undated = append(p.undated, name{id, at})
		return
	}
	p.named = append(p.named, name{id, l.At})
	p.newest = max(p.newest, l.At)
}

// changed reports whether a named event has other bytes than it had before. It reports
// each event once: two events that share an id would take turns for ever. The first time
// after a start has nothing to compare with.
func (p *position) changed(e *Entry) bool {
	seen, known := p.index[e.ID]
	if !known || seen == varied {
		return false
	}
	now := digest(e.Raw)
	switch seen {
	case now:
		return false
	case 0:
		p.index[strings.Clone(e.ID)] = now // the map keeps the new key
		return false
	}
	p.index[strings.Clone(e.ID)] = varied
	return true
}

// raise moves the floor up, never down, and forgets the names below it.
func (p *position) raise(floor int64) {
	if floor <= p.floor {
		return
	}
	p.floor = floor
	settled := func(n name) bool {
		if n.at == never || n.at >= floor {
			return false
		}
		delete(p.index, n.id)
		return true
	}
	for _, n := range p.named {
		if n.at < floor {
			p.under = max(p.under, n.at)
		}
	}
	p.named = slices.DeleteFunc(p.named, settled)
	p.undated = slices.DeleteFunc(p.undated, settled)
	p.shrink()
}

// shrink gives memory back once most names are forgotten. A slice and a map keep that of
// their largest size.
func (p *position) shrink() {
	const small = 64
	if cap(p.named) <= max(small, 4*len(p.named)) {
		return
	}
	p.named = slices.Clone(p.named)
	index := make(map[string]uint64, len(p.index))
	maps.Copy(index, p.index)
	p.index = index
}

// advance raises the floor as far as a complete walk allows: everything listed below the
// floor was delivered, and no event below it can become visible in time. waits is the
// earliest time of the events that are not returned yet. It reports whether names had to
// be forgotten.
func (p *position) advance(w *walk, waits int64) (shrunk bool) {
	if w.complete {
		w.lookAtClock()
		floor := min(w.horizon, waits)
		if p.newest != never {
			floor = min(floor, p.newest)
		}
		p.raise(floor)
		through := w.clock.real(w.start)
		if waits != none {
			through = min(p.newest, waits, through)
		}
		p.through = max(p.through, through)
	}
	return p.bound(waits)
}

// bound keeps the position within its limits. waits is the earliest time of the events
// that are not returned yet. The floor never passes it, since that would lose them. If the
// floor cannot rise far enough, bound forgets names above it: a crash before the floor
// catches up repeats their events. It reports whether names had to be forgotten.
func (p *position) bound(waits int64) (shrunk bool) {
	if p.owed > p.floor {
		p.raise(min(p.owed, waits))
		shrunk = true
	}
	if n := len(p.undated) - maxUndated; n > 0 {
		p.forgetUndated(n)
		shrunk = true
	}
	excess := p.excess()
	if excess <= 0 {
		return shrunk
	}
	if excess > len(p.named) {
		p.forgetUndated(min(excess-len(p.named), len(p.undated)))
		excess = len(p.named)
	}
	if excess > 0 {
		times := make([]int64, len(p.named))
		for i, n := range p.named {
			times[i] = n.at
		}
		slices.Sort(times)
		p.owed = max(p.owed, times[excess-1]+1)
		p.raise(min(p.owed, waits))
		p.forgetNamed(p.excess())
	}
	return true
}

// excess is how many names the position has too many.
func (p *position) excess() int {
	n := len(p.named) + len(p.undated) - maxNames
	size, base := 0, max(p.floor, 0)
	for _, m := range p.named {
		size += len(m.id) + len(`"":1,`)
		for after := m.at - base; after >= 10; after /= 10 {
			size++
		}
	}
	for _, n := range p.undated {
		size += len(n.id) + len(`"",`)
		if n.at != never {
			size += len(`{"id":,"at":}`) + len(time.RFC3339Nano)
		}
	}
	if size > maxBytes {
		mean := size / (len(p.named) + len(p.undated))
		n = max(n, (size-maxBytes)/mean+1)
	}
	return n
}

func (p *position) forgetUndated(n int) {
	for _, m := range p.undated[:n] {
		delete(p.index, m.id)
	}
	p.undated = slices.Delete(p.undated, 0, n)
	p.forgot = true
}

func (p *position) forgetNamed(n int) {
	n = min(max(n, 0), len(p.named))
	for _, m := range p.named[:n] {
		delete(p.index, m.id)
		p.owed = max(p.owed, m.at+1)
	}
	p.named = slices.Delete(p.named, 0, n)
}

// await notes what the walk listed so far and did not return, unless an earlier walk
// listed more.
func (p *position) await(w *walk) {
	if w.awaits >= p.awaits {
		return
	}
	p.awaits, p.behind = w.awaits, ""
	if w.order() == newestFirst && !w.ended {
		p.behind = w.lowest
	}
}

// correctThrough sets through back if it is ahead of the clocks and of the log: a clock
// lied when it was set. The time of the newest event delivered is certain.
func (p *position) correctThrough(w *walk) {
	latest := w.clock.latest(w.start)
	if p.through == never || p.through <= latest+disagreement.Milliseconds() {
		return
	}
	p.through = latest
	if p.newest != never {
		p.through = min(p.newest, latest)
	}
}

func (p *position) describe(retention time.Duration) source.Description {
	d := source.Description{Event: moment(p.newest), Floor: moment(p.floor), Through: moment(p.through)}
	if p.awaits != none {
		d.Awaits = moment(p.awaits)
	}
	if p.gap != nil {
		d.Gap, d.Through = source.Interval{From: p.gap.From, To: p.gap.To}, p.gap.From
	}
	// A lane that delivered nothing yet loses the oldest event that it listed first.
	from := d.Through
	if from.IsZero() {
		from = d.Awaits
	}
	if !from.IsZero() {
		d.Expires = from.Add(time.Duration(p.reach(retention)) * time.Millisecond)
	}
	return d
}

// moment is zero where there is no time.
func moment(ms int64) time.Time {
	if ms == never {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMilli()
}
