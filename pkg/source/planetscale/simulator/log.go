package simulator

import (
	"maps"
	"slices"
	"sort"
)

// eventLog is the log: the generated events of its timeline, and what deviates from
// them. It is not safe for concurrent use.
type eventLog struct {
	generator
	timeline
	sortKey   SortKey
	now       int64 // ns since 1970; never goes back
	retention int64 // ns; 0 for none

	first  int64   // number of the oldest generated event that is still in the log
	born   int64   // first when the log began; older events were never visible
	purges []purge // ascending in both fields

	extras  []*extra          // inserted and listed, in order of place
	pending []*extra          // inserted and not yet listed, by time of listing
	byID    map[string]*extra // of extras
	drafts  int64             // ids given out to inserted events

	deleted  map[int64]int64    // generated events that were deleted → when, in ns
	versions map[int64][][]byte // generated events that changed → all their bytes

	// edits counts what may alter a page other than by growth and expiry.
	edits uint64
}

// extra is an event that does not follow from the seed.
type extra struct {
	place
	id       string
	created  int64 // ms since 1970; decides place and retention, not created_at in the bytes
	listed   int64 // ns
	deleted  int64 // ns; 0 while it is not
	versions [][]byte
}

// purge removes, at a time (ns), everything created before another (ms).
type purge struct{ at, before int64 }

// place orders the log. For equal majors, generated events stand between the
// two classes of inserted ones.
type place struct {
	major int64 // created_at in ms, or the number of the event
	class int8
	minor int64
}

const (
	belowGenerated = int8(iota)
	generated
	aboveGenerated
)

func (p place) compare(q place) int {
	switch {
	case p.major != q.major:
		return compareInt(p.major, q.major)
	case p.class != q.class:
		return compareInt(int64(p.class), int64(q.class))
	}
	return compareInt(p.minor, q.minor)
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// listed is an event in the log: an extra, or else the generated event whose
// number is the place's minor.
type listed struct {
	place
	extra *extra
}

// firstDraft is the first of the numbers that ids of inserted events are made of. No
// generated event has one so high.
const firstDraft = 1 << 48

func newEventLog(c Config) *eventLog {
	now := c.Now().UnixNano()
	l := &eventLog{
		generator: newGenerator(c),
		timeline:  newTimeline(c, now),
		sortKey:   c.SortKey,
		now:       now,
		retention: int64(c.Retention),
		byID:      make(map[string]*extra),
		deleted:   make(map[int64]int64),
		versions:  make(map[int64][][]byte),
	}
	l.expire()
	l.born = l.first
	return l
}

// advance moves the log to a time.
func (l *eventLog) advance(now int64) {
	l.now = max(l.now, now)
	for len(l.pending) > 0 && l.pending[0].listed <= l.now {
		l.pass(l.pending[0].listed)
		l.list(l.pending[0])
		l.pending = l.pending[1:]
	}
	l.pass(l.now)
	l.expire()
}

// insert adds an event that becomes listed at its time, or now if that is past.
func (l *eventLog) insert(e *extra) {
	if e.listed <= l.now {
		e.listed = l.now
		l.list(e)
		return
	}
	i := sort.Search(len(l.pending), func(i int) bool { return l.pending[i].listed > e.listed })
	l.pending = slices.Insert(l.pending, i, e)
}

// list gives an event its place. Among events of the same millisecond it may come before
// or after the generated ones, since nobody knows how the API orders those. An event
// that is already past retention is never listed.
func (l *eventLog) list(e *extra) {
	if e.created < l.horizon() {
		return
	}
	e.place = place{major: e.created, class: belowGenerated, minor: int64(len(l.extras))}
	if e.id < "i" {
		e.class = aboveGenerated
	}
	if l.sortKey == ByInsertion {
		e.major, e.class = l.count-1, aboveGenerated
	}
	l.extras = slices.Insert(l.extras, l.extrasBefore(e.place), e)
	l.byID[e.id] = e
	l.edits++
}

// extrasBefore counts the extras before a place.
func (l *eventLog) extrasBefore(p place) int {
	return sort.Search(len(l.extras), func(i int) bool { return l.extras[i].compare(p) >= 0 })
}

// generatedBefore counts the generated events before a place.
func (l *eventLog) generatedBefore(p place) int64 {
	switch {
	case p.class == generated:
		return p.minor
	case l.sortKey == ByInsertion:
		return min(p.major+1, l.count)
	case p.class == belowGenerated:
		return l.before(p.major)
	}
	return l.before(p.major + 1)
}

// placeOf is the place of a generated event.
func (l *eventLog) placeOf(number int64) place {
	p := place{major: number, class: generated, minor: number}
	if l.sortKey == ByCreatedAt {
		p.major = l.created(number)
	}
	return p
}

// created is the time of a generated event in ms since 1970.
func (l *eventLog) created(number int64) int64 { return l.at(number) / 1e6 }

// horizon is the created_at in ms below which the log has nothing.
func (l *eventLog) horizon() int64 {
	var h int64
	if l.retention > 0 {
		h = (l.now - l.retention) / 1e6
	}
	if n := len(l.purges); n > 0 {
		h = max(h, l.purges[n-1].before)
	}
	return h
}

func (l *eventLog) expire() {
	if h := l.horizon(); l.first < l.count && l.created(l.first) < h {
		l.first = l.before(h)
	}
}

// purge removes what was created before a time in ms, at most the current time.
func (l *eventLog) purge(before int64) {
	before = min(before, l.now/1e6)
	if before > l.horizon() {
		l.purges = append(l.purges, purge{at: l.now, before: before})
		l.expire()
	}
}

// find returns the event with an id, if it is in the log.
func (l *eventLog) find(id string) (listed, bool) {
	if e := l.byID[id]; e != nil {
		return listed{e.place, e}, l.visible(e)
	}
	number, ok := l.identity.number(id)
	if !ok || number < l.first || number >= l.count {
		return listed{}, false
	}
	_, gone := l.deleted[number]
	return listed{place: l.placeOf(number)}, !gone
}

func (l *eventLog) visible(e *extra) bool { return e.deleted == 0 && e.created >= l.horizon() }

// delete removes an event; false if it is not in the log.
func (l *eventLog) delete(id string) bool {
	e, ok := l.find(id)
	switch {
	case !ok:
		return false
	case e.extra != nil:
		e.extra.deleted = l.now
	default:
		l.deleted[e.minor] = l.now
	}
	l.edits++
	return true
}

// change replaces the bytes of an event; false if it is not in the log.
func (l *eventLog) change(id string, raw []byte) bool {
	e, ok := l.find(id)
	switch {
	case !ok:
		return false
	case e.extra != nil:
		e.extra.versions = append(e.extra.versions, raw)
	default:
		if l.versions[e.minor] == nil {
			l.versions[e.minor] = [][]byte{l.append(nil, e)}
		}
		l.versions[e.minor] = append(l.versions[e.minor], raw)
	}
	l.edits++
	return true
}

// idOf is the id the API knows an event by.
func (l *eventLog) idOf(e listed) string {
	if e.extra != nil {
		return e.extra.id
	}
	text := l.identity.of(e.minor)
	return string(text[:])
}

// append renders an event as it is now.
func (l *eventLog) append(dst []byte, e listed) []byte {
	if v := l.versionsOf(e); v != nil {
		return append(dst, v[len(v)-1]...)
	}
	return l.generate(dst, e.minor, l.created(e.minor))
}

// versionsOf returns the stored bytes of an event, oldest first; nil if it is as
// generated.
func (l *eventLog) versionsOf(e listed) [][]byte {
	if e.extra != nil {
		return e.extra.versions
	}
	return l.versions[e.minor]
}

// clone returns a copy for reading. Changes of l do not show in it.
func (l *eventLog) clone() *eventLog {
	c := *l
	c.segments = slices.Clone(l.segments)
	c.purges = slices.Clone(l.purges)
	c.extras = make([]*extra, len(l.extras))
	for i, e := range l.extras {
		copied := *e
		c.extras[i] = &copied
	}
	c.deleted = maps.Clone(l.deleted)
	c.versions = maps.Clone(l.versions)
	return &c
}
