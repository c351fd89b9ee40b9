package cursorlog

import (
	"context"
	"hash/maphash"
	"slices"

	"github.com/sluice-siem/sluice/pkg/source"
)

// handout returns the unknown events of a walk that is done, oldest first and a page at a
// time. The position follows it.
type handout struct {
	walk  *walk
	next  []*stretch // in the order of delivery
	waits []waiting  // in the stretches behind each of next

	recalled *recollection
	part     *part        // the rest of the first of next, if a page had no room for it; nil otherwise
	most     int          // events that a page which is returned may have
	large    bool         // a page that is returned may hold several stretches
	known    func(*Entry) // is called for an event whose id was delivered before
	shrunk   bool         // the position could not name everything within the overlap
}

// waiting is the earliest times of what was not returned yet.
type waiting struct {
	oldest  int64 // of events that must be above the floor, also of known ones
	unknown int64
}

// part is a stretch of which the first events were returned.
type part struct {
	listed  []Entry // in the order of delivery, as are events
	events  []source.Event
	at      int      // how many of them are done with
	settled []string // see forgottenUndated
}

func newHandout(w *walk, most int, recalled *recollection, known func(*Entry)) *handout {
	h := &handout{walk: w, next: w.stretches, most: most, recalled: recalled, known: known}
	h.large = len(h.next) > 1 && w.memory.Grow(handBytes)
	if w.order() != oldestFirst {
		slices.Reverse(h.next)
	}
	h.waits = make([]waiting, len(h.next))
	behind := waiting{none, none}
	for i, st := range slices.Backward(h.next) {
		h.waits[i] = behind
		behind = waiting{min(behind.oldest, st.oldest), min(behind.unknown, st.awaits)}
	}
	return h
}

// A page that is returned has so many stretches that it reaches one of these limits. So
// many events share the cost of a page, and a lane's queue still holds several pages. It has
// fewer if the lane wants smaller pages; then a stretch may be returned in parts.
const (
	handEvents = 10 * pageLimit
	handBytes  = 1 << 20
)

// collect returns the events of the next stretches. It stops early at a stretch that fails
// or must be read again: the events before it are already in the position, so they must
// be returned now. The next call retries that stretch. final means that this is the last
// try.
func (h *handout) collect(ctx context.Context, final bool) ([]source.Event, error) {
	stretches := 1
	if h.large {
		stretches = min(len(h.next), handEvents/pageLimit)
	}
	events := make([]source.Event, 0, min(pageLimit*stretches, h.most))
	size := 0
	for len(h.next) > 0 && (len(events) == 0 || h.large && h.next[0].remembered() && len(events) < min(handEvents, h.most) && size < handBytes) {
		more, err := h.handStretch(ctx, events, final)
		if err != nil {
			if len(events) > 0 {
				break
			}
			return nil, err
		}
		for i := len(events); i < len(more); i++ {
			size += len(more[i].Raw)
		}
		events = more
	}
	if h.done() {
		h.shrunk = h.walk.pos.advance(h.walk, none) || h.shrunk
	}
	return events, nil
}

// close gives back the memory of what was not returned.
func (h *handout) close() {
	if h.large {
		h.walk.memory.Shrink(handBytes)
	}
	h.walk.close()
	h.recalled.release()
}

// done reports whether all events of the walk were returned.
func (h *handout) done() bool { return len(h.next) == 0 }

// handStretch appends the events of the next stretch for which there is room, and moves the
// position behind them.
func (h *handout) handStretch(ctx context.Context, events []source.Event, final bool) ([]source.Event, error) {
	st, pos := h.next[0], h.walk.pos
	if h.part == nil {
		if err := h.begin(ctx, st, final); err != nil {
			return nil, err
		}
	}
	for p := h.part; p.at < len(p.listed); p.at++ {
		l := &p.listed[p.at]
		// A page that is read again may list events of the next one, if its own end is
		// gone. The floor may have risen above those.
		if pos.knows(l) {
			h.known(l)
			continue
		}
		if p.passes(l, pos) {
			continue
		}
		if len(events) == h.most {
			h.pass(h.left())
			return events, nil
		}
		late := l.dated && l.At < pos.newest
		pos.deliver(l, digest(l.Raw))
		events = append(events, p.events[p.at])
		events[len(events)-1].Late = late
	}
	h.pass(h.waits[0])
	h.walk.free(st)
	h.next[0], h.part = nil, nil
	h.next, h.waits = h.next[1:], h.waits[1:]
	return events, nil
}

// begin begins to return a stretch. Its events are valid until the next one begins.
func (h *handout) begin(ctx context.Context, st *stretch, final bool) error {
	listed, recalled, err := h.recalled.recall(ctx, h.walk, st, final)
	if err != nil {
		return err
	}
	if h.walk.order() != oldestFirst {
		slices.Reverse(listed)
		slices.Reverse(recalled)
	}
	h.part = &part{listed: listed, events: recalled, settled: h.walk.forgottenUndated(st)}
	return nil
}

// passes reports whether an event that the position does not name is settled all the same.
func (p *part) passes(l *Entry, pos *position) bool {
	return l.below(pos.floor) || slices.Contains(p.settled, l.ID)
}

// pass moves the position behind what was returned.
func (h *handout) pass(waits waiting) {
	h.shrunk = h.walk.pos.advance(h.walk, waits.oldest) || h.shrunk
	h.walk.pos.awaits = waits.unknown
}

// left is the earliest times of what was not returned yet, in the next stretch and behind
// it. The floor stays below that stretch, since its events are not in the order of their
// times.
func (h *handout) left() waiting {
	p, pos := h.part, h.walk.pos
	left := waiting{min(h.waits[0].oldest, h.next[0].oldest), h.waits[0].unknown}
	for i := p.at; i < len(p.listed); i++ {
		l := &p.listed[i]
		if l.dated && !pos.knows(l) && !p.passes(l, pos) {
			left = waiting{min(left.oldest, l.At), min(left.unknown, l.At)}
		}
	}
	return left
}

var seed = maphash.MakeSeed()

// varied stands for the digests of an event that was listed with different bytes.
const varied = 1

// digest tells versions of an event apart; 0 means never seen.
func digest(raw []byte) uint64 { return max(varied+1, maphash.Bytes(seed, raw)) }
