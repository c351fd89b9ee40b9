package cursorlog

import "strings"

// meetEnd takes a page that says that nothing follows. That answer may be wrong, and a
// walk that believes it would settle events that it did not list. So the walk first
// requests what follows the last event, and continues if there is something. If the page
// has no cursor, nothing leads behind it, since an id need not be a cursor. Then the walk
// requests the page again, and the end must be the same. A poll that met a known event
// settles nothing, so it simply ends.
func (w *walk) meetEnd(p *page) {
	w.ended = true
	if n := len(p.Entries); n > 0 && !(w.again && p.Entries[n-1].ID == w.last) {
		w.asked, w.last, w.beyond = 0, strings.Clone(p.Entries[n-1].ID), p.Cursor
		w.again = p.Cursor == ""
	}
	if !w.full && (w.anchored || w.metKnown) {
		w.done = true
		return
	}
	w.full = true
	if w.last == "" || w.asked >= w.endRequests() {
		w.believeEnd()
		return
	}
	w.asked++
	if !w.again {
		w.cursor = w.beyond
	}
}

// endRequests is how often to ask whether the log ends here. The first walk of a log may
// be long, so no second walk confirms its end. It asks twice instead.
func (w *walk) endRequests() int {
	if w.floor == never {
		return 2
	}
	return 1
}

func (w *walk) believeEnd() { w.done, w.ended, w.complete = true, true, true }

// lost reports whether the walk met the end of the log, but not what shows that the log
// still holds all that the lane needs: an event that is known or below the floor, and
// what earlier walks listed and did not return.
func (w *walk) lost() bool { return w.ended && !w.anchored && (!w.metKnown || w.misses()) }

// misses reports whether the log lost events that earlier walks listed and did not
// return, or that stood behind those.
func (w *walk) misses() bool {
	return w.awaited != none && !w.metAwaited || w.promised != "" && w.last == w.promised
}
