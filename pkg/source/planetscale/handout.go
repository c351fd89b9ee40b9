package planetscale

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"time"

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

// events hands out the next stretch and moves the position behind it.
func (r *reader) events(ctx context.Context, h *handout) ([]source.Event, error) {
	st := h.next[0]
	entries, err := r.recall(ctx, h.walk, st)
	if err != nil {
		return nil, err
	}
	backward, settled := h.walk.order() != oldestFirst, h.walk.settled(st)
	events := make([]source.Event, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if backward {
			e = &entries[len(entries)-1-i]
		}
		// The floor may have risen since the walk, over what is listed here again
		// because the end of its page is gone.
		if r.pos.knows(e) || e.dated && e.at < r.pos.floor || slices.Contains(settled, e.ID) {
			continue
		}
		late := e.dated && e.at < r.pos.newest
		r.pos.deliver(e, digest(e.Raw))
		events = append(events, e.Event)
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
		floor := min(w.horizon(), waits)
		if p.newest != never {
			floor = min(floor, p.newest)
		}
		p.raise(floor)
		through := w.start.UnixMilli()
		if waits != math.MaxInt64 {
			through = min(p.newest, waits, through)
		}
		p.through = max(p.through, through)
	}
	if p.bound(waits) {
		r.shrunk(w.start)
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

// recall returns the entries of a stretch as they were listed, for use until it
// is called again.
func (r *reader) recall(ctx context.Context, w *walk, st *stretch) ([]entry, error) {
	if st.page != nil {
		return st.page.entries, nil
	}
	if st.data == nil {
		return r.readAgain(ctx, w, st)
	}
	body, err := s2.Decode(nil, st.data)
	if err != nil {
		return nil, fmt.Errorf("planetscale: a page kept in memory: %w", err)
	}
	p, err := decodeInto(r.entries, body, r.source.settings.Organization, st.date, time.Now().UTC())
	if err != nil {
		return nil, fmt.Errorf("planetscale: a page kept in memory: %w", err)
	}
	r.entries = p.entries
	return p.entries, nil
}

// errChanged means that the log is not what the walk saw.
var errChanged = errors.New("the log changed under the walk")

// readAgain requests a stretch that was forgotten, up to the event that ended
// it then or the one that was listed behind that. An event more is late and
// belongs here; one that vanished is gone. A log of which neither end is found
// any more is another log, and the walk starts over.
func (r *reader) readAgain(ctx context.Context, w *walk, st *stretch) ([]entry, error) {
	const pages = 4 // room for 300 late events between two neighbours
	var entries []entry
	cursor := st.cursor
	for range pages {
		p, err := r.source.shared.page(ctx, cursor, catchUp)
		if err != nil {
			return nil, err
		}
		r.sawAnswer()
		for i := range p.entries {
			id := p.entries[i].ID
			switch {
			case w.first[id]:
				return nil, errChanged
			case id == st.after:
				return entries, nil
			}
			entries = append(entries, p.entries[i])
			if id == st.last {
				return entries, nil
			}
		}
		switch {
		case len(p.entries) == 0 || p.hasNext && p.cursorEnd == "":
			return nil, errChanged
		case !p.hasNext:
			return entries, nil
		}
		cursor = p.cursorEnd
	}
	return nil, errChanged
}

var seed = maphash.MakeSeed()

// digest tells versions of an event apart; 0 stands for one never seen.
func digest(raw []byte) uint64 { return max(1, maphash.Bytes(seed, raw)) }
