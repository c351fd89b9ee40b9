package planetscale

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// A position is where a lane stands: everything before floor is settled, and at
// or above it exactly the events named are. It does not depend on any
// particular event being still there.
//
// Times are milliseconds since the epoch, so that what the API tells apart by
// less is a tie, and ties are safe: all comparisons are ≥ floor.
type position struct {
	host, organization string
	floor              int64 // settled is what has an earlier time
	newest             int64 // the latest time delivered
	through            int64 // the server's clock at the start of the last complete walk; while one is being handed out, the time up to which it was
	named              []name
	undated            []name // delivered, without a time that decides: never, or ahead of all clocks
	forgot             bool   // undated ones had to be forgotten
	anchor             [2]string
	gap                *gap  // found, and to be told before anything else
	under              int64 // the latest time of what was named and is below the floor
	gone               int64 // up to this time what is named had left the log when a gap was found
	edge               *edge // nil while the log reaches back as far as retention says

	index map[string]uint64 // digests of what is named; 0 if not seen since the start
	owed  int64             // floor that bound could not raise yet
}

// name is a delivered event at or above the floor.
type name struct {
	id string
	at int64
}

// gap is an interval of which events may be missing.
type gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // the oldest event there was, or the server's clock where there was none

	saved bool // the position was returned with the gap in it
}

const (
	never = math.MinInt64

	maxNames   = 20000 // ids a position names
	maxUndated = 5000  // of them without a time
	maxBytes   = 500_000
	version    = 1
)

func newPosition(host, organization string) *position {
	return &position{
		host: host, organization: organization,
		floor: never, newest: never, through: never, under: never, gone: never, owed: never,
		index: map[string]uint64{},
	}
}

// knows tells whether the event was delivered and is named.
func (p *position) knows(l *listed) bool {
	_, ok := p.index[l.id]
	return ok
}

// deliver names an event that was handed out. The digest of its bytes tells
// later whether it changed.
func (p *position) deliver(l *listed, digest uint64) {
	id := strings.Clone(l.id) // outlives the page
	p.index[id] = digest
	if !l.dated {
		at := int64(never)
		if l.timed {
			at = l.at
		}
		p.undated = append(p.undated, name{id, at})
		return
	}
	p.named = append(p.named, name{id, l.at})
	p.newest = max(p.newest, l.at)
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
}

// bound keeps the position within what it may name. waits is the earliest time
// of what is yet to be handed out: the floor never passes it, so rather than
// lose an event, names are forgotten without raising the floor, and a crash
// before that is made up for repeats them. It tells whether anything had to
// give way.
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

// excess is by how many names the position is too large.
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

func (p *position) describe(retention time.Duration) source.Description {
	d := source.Description{Event: moment(p.newest), Floor: moment(p.floor), Through: moment(p.through)}
	if !d.Through.IsZero() {
		d.Expires = d.Through.Add(time.Duration(p.reach(retention)) * time.Millisecond)
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
