package cursorlog

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// walk lists the log once, from the top down to the floor. add takes a page and decides
// which cursor to request next. The walk keeps every page that holds unknown events.
// None is delivered before the walk is done: delivery starts with the oldest event, and
// that one is listed last.
type walk struct {
	pos      *position
	floor    int64 // of the position, when the walk started
	bottom   int64 // how far to go down, if that is below the floor
	clock    *clock
	full     bool  // go down to the floor, past pages without an unknown event
	assumed  order // order of earlier walks
	overlap  time.Duration
	budget   int64         // bytes of pages to keep
	memory   source.Memory // of the lane
	granted  int64         // bytes of it for what is kept
	anchored bool          // the walk jumped, and did not list everything from the top

	start      reading // the clocks before the earliest page
	horizon    int64   // an event with an earlier time cannot become visible any more
	pages      int
	cursor     string // of the next request
	expect     string // the id that must come first on the next page; "" if any may
	stretches  []*stretch
	kept       int64 // bytes of pages, as they are in memory
	scratch    []byte
	compressed int // stretches, in the order of the listing, that are compressed
	forgotten  int // stretches, from the newest, that must be read again
	unknown    int // events to be returned
	votes      [3]int
	lastDated  int64   // time of the last event that has one; never if there was none
	tail       [2]name // the last two events, if both have a time
	end        [2]name // the last two neighbours that have
	anchor     [2]string
	first      map[string]bool // ids of the first page
	previous   map[string]bool // ids of the previous page
	cursors    map[string]bool
	metKnown   bool   // an event was known or below the floor
	metFloor   bool   // an event was at or above the floor
	sawUndated bool   // a known event without a time was listed
	listed     int64  // time of the oldest event listed; none if there was none
	latest     int64  // time of the newest event listed; never if there was none
	awaits     int64  // time of the oldest unknown event listed; none if there was none
	lowest     string // id of the last event listed; "" if there was none
	last       string // id of the last event before the end of the log; "" if the log is empty
	beyond     string // a cursor behind last; "" if there is none
	again      bool   // there is none: the page that last ends is requested again
	awaited    int64  // what the position awaited when the walk started
	metAwaited bool   // such an event was listed
	promised   string // id behind which the log listed older events in an earlier walk; "" if none waits
	mayRise    bool   // the log may list newer events behind older ones
	rose       bool   // it did
	asked      int    // how often beyond, or the page, was requested
	idCursors  bool   // the log's cursors are ids of events
	former     string // last of the previous walk, which this one is to confirm
	sawFormer  bool
	done       bool
	ended      bool // the walk met the end of the log
	complete   bool // everything down to the floor, or to the end of the log, was listed
}

func newWalk(pos *position, full bool, assumed order, s *Settings, c *clock) *walk {
	return &walk{
		pos: pos, floor: pos.floor, full: full, assumed: assumed, clock: c,
		overlap: s.Overlap.Std(), budget: s.WalkBuffer.Bytes(), horizon: never, lastDated: never,
		bottom: none, listed: none, awaited: pos.awaits, latest: never, awaits: none,
		memory: source.Unbounded, cursors: map[string]bool{},
	}
}

var (
	// errAnchor means that the walk must begin at the top.
	errAnchor = errors.New("the anchor is no longer where it was")

	// errTop is how some servers answer a cursor whose event is gone.
	errTop = errors.New("the listing restarted at its top")

	// errRises is how such a server answers once the log holds other events than at the
	// start of the walk.
	errRises = errors.New("all events are newer than those listed before")
)

// add takes the page that was requested with w.cursor and decides which cursor to
// request next. It returns a stretch to keep if the page holds unknown events.
func (w *walk) add(p *page) (*stretch, error) {
	if err := w.check(p); err != nil {
		return nil, err
	}
	w.expect = ""
	if w.pages == 0 || p.clocks.sent.Before(w.start.sent) {
		w.start = p.clocks // another lane requested the page before this walk started
	}
	w.pages++
	w.lookAtClock()
	if w.again {
		if !w.fresh(p) {
			w.decide(p, false, false)
			return nil, nil
		}
		w.lastDated, w.tail = never, [2]name{} // The page does not follow the one before.
	}
	ids := make(map[string]bool, len(p.Entries))
	st, contrary := w.survey(p, ids)
	w.link(p)
	if w.first == nil {
		w.first = ids
	}
	w.previous = ids
	w.decide(p, st != nil, contrary)
	return st, nil
}

// check finds answers that contradict the contract. To continue behind one could skip
// events.
func (w *walk) check(p *page) error {
	n := len(p.Entries)
	switch {
	case w.expect != "" && (n == 0 || p.Entries[0].ID != w.expect):
		return errAnchor
	case n == 0 && p.HasNext:
		return errors.New("a page without events promises more")
	case n == 0 && w.pages > 0 && w.asked == 0:
		return errors.New("a page without events where more was promised")
	case n == 0 && w.again:
		return errors.New("no events where some were listed before")
	case p.HasNext && p.Cursor == "":
		return errors.New("a page without a cursor promises more")
	}
	for i := range p.Entries {
		if w.pages > 1 && w.cursor != "" && w.first[p.Entries[i].ID] {
			return errTop
		}
	}
	fresh := n == 0 || w.again || w.fresh(p)
	switch {
	case !fresh && w.pages == 1:
		return errTop
	case !fresh:
		return errors.New("a page without a new event")
	case p.HasNext && (w.cursors[p.Cursor] || p.Cursor == w.cursor):
		return errors.New("a cursor is repeated") // Not shown: a cursor is the server's text.
	case w.order() == newestFirst && p.after(w.latest):
		w.rose = true
		if !w.mayRise {
			return errRises
		}
	}
	return nil
}

// fresh reports whether the page holds an event that neither the first page nor the
// previous one held. Several events without an id may have equal bytes: that they come
// again proves nothing.
func (w *walk) fresh(p *page) bool {
	return slices.ContainsFunc(p.Entries, func(e Entry) bool { return e.nameless || !w.first[e.ID] && !w.previous[e.ID] })
}

// after reports whether all events of the page are later than at. Those without a time
// do not count.
func (p *page) after(at int64) bool {
	dated := 0
	for i := range p.Entries {
		if e := &p.Entries[i]; e.dated {
			dated++
			if e.At <= at {
				return false
			}
		}
	}
	return dated > 0 && at != never
}

// survey looks at each event of the page once: whether it is unknown, and how it is
// ordered. It returns a stretch if one is unknown, and whether the page contradicts the
// order.
func (w *walk) survey(p *page, ids map[string]bool) (*stretch, bool) {
	st := &stretch{cursor: w.cursor, listed: len(p.Entries), clocks: p.clocks, ahead: p.ahead, read: p.read, oldest: none, awaits: none}
	votes := [3]int{}
	unknown := 0
	for i := range p.Entries {
		e := &p.Entries[i]
		if !e.nameless {
			ids[e.ID] = true
		}
		w.vote(e, &votes)
		w.sawFormer = w.sawFormer || w.former != "" && e.ID == w.former
		w.metAwaited = w.metAwaited || e.At == w.awaited
		if e.dated {
			w.listed, w.latest = min(w.listed, e.At), max(w.latest, e.At)
		}
		switch {
		case w.isUnknown(e):
			unknown++
			if e.dated {
				st.awaits = min(st.awaits, e.At)
			}
			if !e.dated && w.pos.forgot && !w.sawUndated {
				st.before = append(st.before, strings.Clone(e.ID))
			}
		case !e.dated && !w.pos.knows(e):
			st.behind = append(st.behind, strings.Clone(e.ID))
			fallthrough
		default:
			w.metKnown = true
		}
		if e.dated && e.At >= w.floor {
			st.oldest = min(st.oldest, e.At)
			w.metFloor = true
		}
	}
	for o, n := range votes {
		w.votes[o] += n
	}
	contrary := votes[newestFirst] > 0 && votes[oldestFirst] > 0 ||
		w.assumed != undecided && votes[3-w.assumed] > 0
	if n := len(p.Entries); n > 0 {
		w.lowest = strings.Clone(p.Entries[n-1].ID) // outlives the page
	}
	if unknown == 0 {
		return nil, contrary
	}
	w.unknown += unknown
	w.awaits = min(w.awaits, st.awaits)
	if last := &p.Entries[len(p.Entries)-1]; !last.nameless {
		st.last = strings.Clone(last.ID) // outlives the page
	}
	return st, contrary
}

// isUnknown reports whether the event must be delivered. An event without a time cannot
// be compared with the floor. If the position had to forget some of them, those listed
// below one that it still names are settled. In a log that lists the oldest first, those
// listed above it are, which only shows when the named one is met.
func (w *walk) isUnknown(e *Entry) bool {
	if w.pos.knows(e) {
		w.sawUndated = w.sawUndated || !e.dated
		return false
	}
	if e.below(w.floor) {
		return false
	}
	return e.dated || !(w.pos.forgot && w.sawUndated && w.order() != oldestFirst)
}

// forgottenUndated is the events of a stretch without a time that were delivered and forgotten.
func (w *walk) forgottenUndated(st *stretch) []string {
	switch {
	case w.order() != oldestFirst:
		return st.behind
	case w.sawUndated:
		return st.before
	}
	return nil
}

// lookAtClock computes the horizon from what the pages prove about the time at which the
// walk started.
func (w *walk) lookAtClock() {
	if at := w.clock.certain(w.start); at != never {
		w.horizon = at - w.overlap.Milliseconds()
	}
}

// link sets the event that follows the previous stretch.
func (w *walk) link(p *page) {
	if n := len(w.stretches); n > 0 && w.stretches[n-1].after == "" && len(p.Entries) > 0 && !p.Entries[0].nameless {
		w.stretches[n-1].after = strings.Clone(p.Entries[0].ID)
	}
}

// decide decides whether the walk is done, and otherwise what it requests next.
func (w *walk) decide(p *page, unknown, contrary bool) {
	// A walk that jumped cannot become one that lists everything.
	w.full = w.full || contrary && !w.anchored
	if p.HasNext {
		w.cursor = p.Cursor
		w.idCursors = w.idCursors || p.Cursor == p.Entries[len(p.Entries)-1].ID
		w.cursors[p.Cursor] = true
		w.asked, w.last, w.beyond, w.again = 0, "", "", false // The log continues: an end that it met before was wrong.
	}
	w.ended = false
	switch o := w.order(); {
	case o == newestFirst && p.below(min(w.floor, w.bottom), contrary) && (w.metFloor || !contrary):
		// If the log lists the newest first, the walk has met an event at or above the
		// floor. If it met none and the page contradicts itself, the log may just as
		// well list the oldest first.
		w.done, w.complete = true, true
	case !p.HasNext:
		w.meetEnd(p)
	case o == newestFirst && !unknown && !w.full:
		w.done = true
	case o == oldestFirst && w.pages == 1 && !w.anchored && !unknown && !contrary && w.pos.anchor[0] != "" && !w.first[w.pos.anchor[0]]:
		w.jump(w.pos.anchor)
	}
}

// strays is how many old events in a row may stand among new ones, as in a log in the
// order of insertion. More of them in a row mean that only old events follow.
const strays = 24

// below reports whether everything listed behind the page is below the floor. If the page
// is in order, its last events with a time decide; otherwise all of them must be below.
func (p *page) below(floor int64, contrary bool) bool {
	run := 0
	for i := len(p.Entries) - 1; i >= 0; i-- {
		switch e := &p.Entries[i]; {
		case !e.dated:
		case e.At >= floor:
			return run > strays && !contrary
		default:
			run++
		}
	}
	return run > 0
}
