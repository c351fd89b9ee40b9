package planetscale

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"

	"github.com/sluice-siem/sluice/pkg/source"
)

// handout is the second half of a walk that is done: what is unknown goes out
// oldest first, a page at a time, and the position follows it.
type handout struct {
	walk  *walk
	next  []*stretch // in the order of delivery
	waits []int64    // earliest time behind each of next
}

func newHandout(w *walk) *handout {
	h := &handout{walk: w, next: w.stretches}
	if w.order() != oldestFirst {
		slices.Reverse(h.next)
	}
	h.waits = make([]int64, len(h.next))
	earliest := int64(math.MaxInt64)
	for i, st := range slices.Backward(h.next) {
		h.waits[i] = earliest
		earliest = min(earliest, st.oldest)
	}
	return h
}

// What the reader hands out at once holds as many stretches as come to about
// these. What a page costs whoever it is handed to is so shared by many events,
// and a lane's queue still holds a few.
const (
	handEvents = 10 * pageLimit
	handBytes  = 1 << 20
)

// collect takes the stretches of a page. Once the position names events these go
// out: the error of a stretch behind them comes with the next page, since the
// stretch stays the next. One that must be read again is not waited for either.
func (r *reader) collect(ctx context.Context, h *handout) ([]source.Event, error) {
	events := make([]source.Event, 0, pageLimit*min(len(h.next), handEvents/pageLimit))
	size := 0
	for len(h.next) > 0 && (len(events) == 0 || h.next[0].remembered() && len(events) < handEvents && size < handBytes) {
		more, err := r.handNext(ctx, h, events)
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
	return events, nil
}

// handNext appends the events of the next stretch and moves the position behind it.
func (r *reader) handNext(ctx context.Context, h *handout, events []source.Event) ([]source.Event, error) {
	st := h.next[0]
	listed, recalled, err := r.recall(ctx, h.walk, st)
	if err != nil {
		return nil, err
	}
	backward, settled := h.walk.order() != oldestFirst, h.walk.settled(st)
	for i := range listed {
		if backward {
			i = len(listed) - 1 - i
		}
		l := &listed[i]
		// The floor may have risen since the walk, over what is listed here again
		// because the end of its page is gone.
		if r.pos.knows(l) || l.below(r.pos.floor) || slices.Contains(settled, l.id) {
			continue
		}
		late := l.dated && l.at < r.pos.newest
		r.pos.deliver(l, digest(l.raw))
		events = append(events, recalled[i])
		events[len(events)-1].Late = late
	}
	r.settle(h.walk, h.waits[0])
	h.next[0] = nil
	h.next, h.waits = h.next[1:], h.waits[1:]
	return events, nil
}

// settle raises the floor as far as a complete walk allows: everything listed
// below it was delivered, and nothing below it can become visible in time. waits
// is the earliest time of what is yet to be handed out.
func (r *reader) settle(w *walk, waits int64) {
	p := r.pos
	if w.complete {
		w.lookAtClock()
		floor := min(w.horizon, waits)
		if p.newest != never {
			floor = min(floor, p.newest)
		}
		p.raise(floor)
		through := w.clock.real(w.start)
		if waits != math.MaxInt64 {
			through = min(p.newest, waits, through)
		}
		p.through = max(p.through, through)
	}
	if p.bound(waits) {
		r.shrunk(w.clock.real(w.start))
	} else if w.complete {
		r.overlap(r.source.settings.Overlap.Std())
	}
}

// keepAnchors keeps where later walks can begin, once the API has clearly shown
// that it lists the oldest first. That is for when a walk was handed out whole:
// what lies before an anchor is never looked at again.
func (r *reader) keepAnchors(w *walk) {
	const clearly = 10
	switch {
	case w.votes[newestFirst] > 0:
		r.pos.anchor, r.end = [2]string{}, [2]string{}
	case w.anchored || w.votes[oldestFirst] >= clearly:
		if w.end[0].id != "" {
			r.end = [2]string{strings.Clone(w.end[0].id), strings.Clone(w.end[1].id)}
		}
		if w.complete && w.anchor[0] != "" {
			r.pos.anchor = w.anchor
		}
	}
}

// recall returns the events of a stretch as they were listed, for use until it
// is called again.
func (r *reader) recall(ctx context.Context, w *walk, st *stretch) ([]listed, []source.Event, error) {
	body := st.body
	if !st.remembered() {
		return r.readAgain(ctx, w, st)
	}
	if st.data != nil {
		var err error
		if body, err = s2.Decode(nil, st.data); err != nil {
			return nil, nil, errWalk{fmt.Errorf("a page kept in memory: %w", err)}
		}
	}
	p := &r.room
	p.clocks, p.ahead, p.read, p.body = st.clocks, st.ahead, st.read, body
	events, err := decode(p, r.events, r.source.settings.Organization)
	if err != nil {
		return nil, nil, errWalk{fmt.Errorf("a page kept in memory: %w", err)}
	}
	r.events = events
	return p.listed, events, nil
}

// errChanged means that the log is not what the walk saw.
var errChanged = errors.New("the log changed under the walk")

// readAgain requests a stretch that was forgotten, up to the event that ended
// it then or the one that was listed behind that. An event more is late and
// belongs here; one that vanished is gone. A log of which neither end is found
// any more is another log, and the walk starts over.
func (r *reader) readAgain(ctx context.Context, w *walk, st *stretch) (found []listed, events []source.Event, err error) {
	const pages = 4 // room for 300 late events between two neighbours
	cursor := st.cursor
	for range pages {
		p, err := r.source.shared.page(ctx, cursor, catchUp)
		if err != nil {
			return nil, nil, err
		}
		r.sawAnswer()
		n, ended, err := w.again(p, st)
		if err != nil {
			return nil, nil, err
		}
		// The page is shared with other lanes.
		own := *p
		own.listed = nil
		decoded, err := decode(&own, nil, r.source.settings.Organization)
		if err != nil {
			return nil, nil, errWalk{fmt.Errorf("a page read again: %w", err)}
		}
		found, events = append(found, own.listed[:n]...), append(events, decoded[:n]...)
		switch {
		case ended:
			return found, events, nil
		case !p.hasNext && r.doubts+1 == tries: // The log ends here: what followed is gone.
			return found, events, nil
		case !p.hasNext || p.cursorEnd == "":
			return nil, nil, errChanged
		}
		cursor = p.cursorEnd
	}
	return nil, nil, errChanged
}

// again tells how many events of a page that was read again belong to the
// stretch, and whether its end was among them.
func (w *walk) again(p *page, st *stretch) (n int, ended bool, err error) {
	for i := range p.listed {
		switch id := p.listed[i].id; {
		case w.first[id]:
			return 0, false, errChanged
		case id == st.after:
			return i, true, nil
		case id == st.last:
			return i + 1, true, nil
		}
	}
	if len(p.listed) == 0 {
		return 0, false, errChanged
	}
	return len(p.listed), false, nil
}

var seed = maphash.MakeSeed()

// digest tells versions of an event apart; 0 stands for one never seen.
func digest(raw []byte) uint64 { return max(1, maphash.Bytes(seed, raw)) }
