package cursorlog

import "strings"

// order is the order in which the log lists events.
type order int

const (
	undecided order = iota
	newestFirst
	oldestFirst
)

func (o order) String() string {
	return [...]string{"undecided", "newest first", "oldest first"}[o]
}

// vote compares an event that has a time with the event listed before it, also across
// pages. It also remembers two neighbours at which a later walk can start if the log
// lists the oldest first. Both are earlier than the horizon: nothing can become visible
// before them.
func (w *walk) vote(e *Entry, votes *[3]int) {
	if !e.dated {
		w.tail = [2]name{} // the next two would not be neighbours
		return
	}
	switch {
	case w.lastDated == never:
	case e.At < w.lastDated:
		votes[newestFirst]++
	case e.At > w.lastDated:
		votes[oldestFirst]++
		if w.tail[1].at < w.horizon && w.tail[0].id != "" {
			w.anchor = [2]string{strings.Clone(w.tail[0].id), strings.Clone(w.tail[1].id)}
		}
	}
	w.lastDated = e.At
	w.tail = [2]name{w.tail[1], {e.ID, e.At}}
	if w.tail[0].id != "" {
		w.end = w.tail
	}
}

// clearly is how many pairs of neighbours prove an order.
const clearly = 10

// order is that of most pairs of neighbours with distinct times. A log that listed the
// oldest first may begin with late events: a few such pairs do not turn the order, or the
// walk would stop too early.
func (w *walk) order() order {
	switch newest := w.votes[newestFirst] - w.votes[oldestFirst]; {
	case newest > 0 && w.assumed == oldestFirst && newest < clearly:
		return oldestFirst
	case newest > 0:
		return newestFirst
	case newest < 0:
		return oldestFirst
	}
	return w.assumed
}

// jump continues at an anchor, a pair of neighbours. It requests what follows the first
// event. The second must come first there; otherwise the server no longer knows the
// first event, or lists differently.
func (w *walk) jump(anchor [2]string) {
	w.cursor, w.expect, w.anchored = anchor[0], anchor[1], true
	w.lastDated, w.tail, w.end = never, [2]name{}, [2]name{}
}

// keepAnchors keeps where later walks can start, once the log has clearly shown that it
// lists the oldest first, and that ids are its cursors. It may be called only after all
// events of the walk were returned: no later walk looks at what is listed before an
// anchor.
func (p *position) keepAnchors(w *walk) {
	switch {
	case w.votes[newestFirst] > 0:
		p.forgetAnchors()
	case w.anchored || w.idCursors && w.votes[oldestFirst] >= clearly:
		if w.end[0].id != "" {
			p.end = [2]string{strings.Clone(w.end[0].id), strings.Clone(w.end[1].id)}
		}
		if w.complete && w.anchor[0] != "" {
			p.anchor = w.anchor
		}
	}
}

func (p *position) forgetAnchors() { p.anchor, p.end = [2]string{}, [2]string{} }
