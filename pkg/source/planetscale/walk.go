package planetscale

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// order is how the API lists events.
type order int

const (
	undecided order = iota
	newestFirst
	oldestFirst
)

func (o order) String() string {
	return [...]string{"undecided", "newest first", "oldest first"}[o]
}

// walk is one listing from the top down to the floor. It is fed pages in the
// order in which they are listed, says what to ask for next, and keeps what is
// to be handed out: nothing is handed out before the walk is done, since the
// oldest event comes last.
type walk struct {
	pos      *position
	floor    int64 // of the position, when the walk set out
	bottom   int64 // how far down to go, if that is below the floor
	clock    *clock
	full     bool  // go down to the floor, even past pages that are known
	assumed  order // of earlier walks
	overlap  time.Duration
	budget   int64 // bytes of compressed pages to keep
	anchored bool  // the walk did not list everything from the top

	start      reading // of the clocks before the earliest page
	horizon    int64   // before it no event may become visible any more
	pages      int
	cursor     string // what to ask for next
	expect     string // the id that must come first there; "" if any may
	stretches  []*stretch
	kept       int64 // bytes of memory
	scratch    []byte
	forgotten  int // stretches, from the newest, that are to be read again
	unknown    int // events to be handed out
	votes      [3]int
	lastDated  *int64
	tail       [2]name // the last two events, as far as they are dated
	end        [2]name // the last two neighbours that are
	anchor     [2]string
	first      map[string]bool // ids of the first page
	previous   map[string]bool // ids of the page before
	cursors    map[string]bool
	metKnown   bool   // something was known, or below the floor
	metFloor   bool   // something was at or above the floor
	sawUndated bool   // one that is named
	listed     int64  // time of the oldest event that was listed; MaxInt64 if there was none
	last       string // id of the last event before the end of the log
	asked      int    // how often it was asked what is behind that
	former     string // last of the walk before, which this one is to confirm
	sawFormer  bool
	done       bool
	ended      bool // at the end of the log
	complete   bool // down to the floor, or at the end of the log
}

func newWalk(pos *position, full bool, assumed order, s *Settings, c *clock) *walk {
	return &walk{
		pos: pos, floor: pos.floor, full: full, assumed: assumed, clock: c,
		overlap: s.Overlap.Std(), budget: s.WalkBuffer.Bytes(), horizon: never,
		bottom: math.MaxInt64, listed: math.MaxInt64,
		cursors: map[string]bool{},
	}
}

// jump goes on from an anchor: a pair of neighbours. The first is asked behind,
// and the second must come back, or the server does not know the first any
// more, or lists differently.
func (w *walk) jump(anchor [2]string) {
	w.cursor, w.expect, w.anchored = anchor[0], anchor[1], true
	w.lastDated, w.tail, w.end = nil, [2]name{}, [2]name{}
}

// errAnchor means that the walk must begin at the top.
var errAnchor = errors.New("the anchor is not where it was")

// add takes the page that was asked for with w.cursor and decides what to ask
// for next. It returns a stretch to keep, if something in the page is unknown.
func (w *walk) add(p *page) (*stretch, error) {
	if err := w.check(p); err != nil {
		return nil, err
	}
	w.expect = ""
	if w.pages == 0 || p.clocks.sent.Before(w.start.sent) {
		w.start = p.clocks // of a page that another lane asked for, before this walk set out
	}
	w.pages++
	w.lookAtClock()
	ids := make(map[string]bool, len(p.listed))
	st, contrary := w.survey(p, ids)
	w.link(p)
	if w.first == nil {
		w.first = ids
	}
	w.previous = ids
	w.decide(p, st != nil, contrary)
	return st, nil
}

// check finds answers that contradict the contract. They end the walk, since
// going on could pass over events.
func (w *walk) check(p *page) error {
	n := len(p.listed)
	switch {
	case w.expect != "" && (n == 0 || p.listed[0].id != w.expect):
		return errAnchor
	case n == 0 && p.hasNext:
		return errors.New("has_next with no events")
	case n == 0 && w.pages > 0 && w.asked == 0:
		return errors.New("no events where has_next promised some")
	case p.hasNext && p.cursorEnd == "":
		return errors.New("has_next without cursor_end")
	case p.hasNext && (w.cursors[p.cursorEnd] || p.cursorEnd == w.cursor):
		return fmt.Errorf("cursor %q comes a second time", p.cursorEnd)
	}
	fresh := 0
	for i := range p.listed {
		id := p.listed[i].id
		if w.pages > 1 && w.first[id] {
			return errors.New("the listing began again at its top")
		}
		// Equal bytes without an id tell nothing of where they are listed.
		if fresh == 0 && (p.listed[i].nameless || !w.first[id] && !w.previous[id]) {
			fresh++
		}
	}
	if n > 0 && fresh == 0 {
		return errors.New("a page without a new event")
	}
	return nil
}

// survey looks at each event once: what is unknown, and how they are ordered.
// It returns a stretch if something is unknown, and whether events of the page
// contradict the order.
func (w *walk) survey(p *page, ids map[string]bool) (*stretch, bool) {
	st := &stretch{cursor: w.cursor, clocks: p.clocks, ahead: p.ahead, read: p.read, oldest: math.MaxInt64}
	votes := [3]int{}
	unknown := 0
	for i := range p.listed {
		e := &p.listed[i]
		if !e.nameless {
			ids[e.id] = true
		}
		w.vote(e, &votes)
		w.sawFormer = w.sawFormer || w.former != "" && e.id == w.former
		if e.dated {
			w.listed = min(w.listed, e.at)
		}
		switch {
		case w.isUnknown(e):
			unknown++
			if !e.dated && w.pos.forgot && !w.sawUndated {
				st.before = append(st.before, strings.Clone(e.id))
			}
		case !e.dated && !w.pos.knows(e):
			st.behind = append(st.behind, strings.Clone(e.id))
			fallthrough
		default:
			w.metKnown = true
		}
		if e.dated && e.at >= w.floor {
			st.oldest = min(st.oldest, e.at)
			w.metFloor = true
		}
	}
	for o, n := range votes {
		w.votes[o] += n
	}
	contrary := votes[newestFirst] > 0 && votes[oldestFirst] > 0 ||
		w.assumed != undecided && votes[3-w.assumed] > 0
	if unknown == 0 {
		return nil, contrary
	}
	w.unknown += unknown
	if last := &p.listed[len(p.listed)-1]; !last.nameless {
		st.last = strings.Clone(last.id) // outlives the page, whose memory it would hold
	}
	return st, contrary
}

// isUnknown tells whether the event is to be handed out. An undated one has no
// place against the floor: once names of such had to be forgotten, those listed
// below one that is still named are settled. In a log that lists the oldest
// first it is those above, which shows when one is met that is named.
func (w *walk) isUnknown(e *listed) bool {
	if w.pos.knows(e) {
		w.sawUndated = w.sawUndated || !e.dated
		return false
	}
	if e.below(w.floor) {
		return false
	}
	return e.dated || !(w.pos.forgot && w.sawUndated && w.order() != oldestFirst)
}

// settled is the undated events of a stretch that were delivered and forgotten.
func (w *walk) settled(st *stretch) []string {
	switch {
	case w.order() != oldestFirst:
		return st.behind
	case w.sawUndated:
		return st.before
	}
	return nil
}

// vote compares a dated event with the one listed before it, over pages too,
// and remembers neighbours that a later walk can begin at if the API lists the
// oldest first: both earlier than anything that can still change.
func (w *walk) vote(e *listed, votes *[3]int) {
	if !e.dated {
		w.tail = [2]name{} // the next two would not be neighbours
		return
	}
	if w.lastDated != nil {
		switch {
		case e.at < *w.lastDated:
			votes[newestFirst]++
		case e.at > *w.lastDated:
			votes[oldestFirst]++
			if w.tail[1].at < w.horizon && w.tail[0].id != "" {
				w.anchor = [2]string{strings.Clone(w.tail[0].id), strings.Clone(w.tail[1].id)}
			}
		}
	}
	at := e.at
	w.lastDated = &at
	w.tail = [2]name{w.tail[1], {e.id, e.at}}
	if w.tail[0].id != "" {
		w.end = w.tail
	}
}

// lookAtClock follows what the pages prove about the time at which the walk
// began.
func (w *walk) lookAtClock() {
	if at := w.clock.settled(w.start); at != never {
		w.horizon = at - w.overlap.Milliseconds()
	}
}

// order is decided by most pairs of neighbours with distinct times.
func (w *walk) order() order {
	switch {
	case w.votes[newestFirst] > w.votes[oldestFirst]:
		return newestFirst
	case w.votes[newestFirst] < w.votes[oldestFirst]:
		return oldestFirst
	}
	return w.assumed
}

// link tells the stretch before what is listed behind it.
func (w *walk) link(p *page) {
	if n := len(w.stretches); n > 0 && w.stretches[n-1].after == "" && len(p.listed) > 0 && !p.listed[0].nameless {
		w.stretches[n-1].after = strings.Clone(p.listed[0].id)
	}
}

// decide tells whether the walk goes on behind the page.
func (w *walk) decide(p *page, unknown, contrary bool) {
	// A walk from the end of the log cannot become one that looks at all of it.
	w.full = w.full || contrary && !w.anchored
	if p.hasNext {
		w.cursor = p.cursorEnd
		w.cursors[p.cursorEnd] = true
		w.asked, w.last = 0, "" // The log goes on: whatever ended it before was wrong.
	}
	w.ended = false
	switch o := w.order(); {
	case o == newestFirst && p.below(min(w.floor, w.bottom), contrary) && (w.metFloor || !contrary):
		// A log that lists the newest first has the event that the floor follows
		// from above the floor. Where none was met and the page contradicts itself,
		// the log may as well list the oldest first.
		w.done, w.complete = true, true
	case !p.hasNext:
		w.meetEnd(p)
	case o == newestFirst && !unknown && !w.full:
		w.done = true
	case o == oldestFirst && w.pages == 1 && !w.anchored && !unknown && !contrary && w.pos.anchor[0] != "" && !w.first[w.pos.anchor[0]]:
		w.jump(w.pos.anchor)
	}
}

// strays is how many events from long ago may be listed side by side among new
// ones, as in a log in the order of insertion, without hiding what is behind.
const strays = pageLimit/4 - 1

// below tells whether everything listed behind the page is below the floor: in
// a page that is in order its last dated events tell, else all of them must be.
func (p *page) below(floor int64, contrary bool) bool {
	run := 0
	for i := len(p.listed) - 1; i >= 0; i-- {
		switch e := &p.listed[i]; {
		case !e.dated:
		case e.at >= floor:
			return run > strays && !contrary
		default:
			run++
		}
	}
	return run > 0
}
