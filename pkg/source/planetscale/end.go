package planetscale

import (
	"math"
	"time"
)

// meetEnd takes a page that says that nothing follows. One answer may be wrong,
// and a walk that believes it settles what it did not list. So before a walk is
// complete by it, what is behind the last event is asked for: events that come
// go on with the walk. A poll that met something known settles nothing and needs
// no such care.
func (w *walk) meetEnd(p *page) {
	w.ended = true
	if len(p.listed) > 0 {
		w.asked, w.last = 0, p.lastID()
	}
	if !w.full && (w.anchored || w.metKnown) {
		w.done = true
		return
	}
	w.full = true
	if w.last == "" || w.asked >= w.asks() {
		w.believeEnd()
		return
	}
	w.asked++
	w.cursor = w.last
}

// asks is how often to ask behind the last event. A first walk of a log is not
// repeated, since it may be long, and asks twice instead.
func (w *walk) asks() int {
	if w.floor == never {
		return 2
	}
	return 1
}

func (w *walk) believeEnd() { w.done, w.ended, w.complete = true, true, true }

// lastID is what to ask behind; empty if the last event has no id.
func (p *page) lastID() string {
	if p.cursorEnd != "" {
		return p.cursorEnd
	}
	if l := &p.listed[len(p.listed)-1]; !l.nameless {
		return string([]byte(l.id)) // outlives the page
	}
	return ""
}

// lost tells whether the walk met the end of the log and nothing that it knew or
// that was below the floor.
func (w *walk) lost() bool { return w.ended && !w.anchored && !w.metKnown }

// stands tells whether the end of such a walk need not be confirmed by another
// one: the walk before ended there too, or where the log no longer reaches, or
// the log has grown at that end since.
func (r *reader) stands(w *walk) bool {
	if !w.lost() || w.floor == never && w.last != "" {
		return true
	}
	if r.ending == nil {
		return false
	}
	switch former := *r.ending; {
	case w.last == former:
		return true
	case w.last == "" || former == "":
		return false
	}
	return w.sawFormer == (w.order() == oldestFirst)
}

// gap is the interval that may be missing, nil if none is. The end of the log
// stands, and the walk was lost. That is a gap if the last complete walk is
// longer ago than the log reaches back, or if the log no longer holds what it
// must hold.
func (w *walk) gap(s *Settings) *gap {
	through, now := w.pos.through, w.clock.real(w.start)
	if !w.lost() || through == never {
		return nil
	}
	reach := w.pos.reach(s.Retention.Std())
	away := now - through
	if away <= reach && !w.pos.purged(now, reach, s.Overlap.Std().Milliseconds()) {
		return nil
	}
	// A Date has whole seconds. Where the log is empty the latest witness bounds
	// what was lost: an interval that is too long hides no loss.
	to := min(w.clock.latest(w.start)+time.Second.Milliseconds(), w.listed)
	if to <= through {
		return nil
	}
	return &gap{From: moment(through), To: moment(to)}
}

// pass moves through behind a gap that was found, which is saved with it. What is
// left of the log is yet to be delivered, and may expire before.
func (p *position) pass(w *walk) {
	p.through = max(p.through, min(w.clock.real(w.start), w.listed))
}

// purged tells, of a log in which nothing of the position is left, whether it was
// cut nearer than it was known to reach. Nobody knows then what was cut: also a log
// that was quiet before may have grown since. So a quiet log that reaches back less
// far than retention says tells a gap each time all that is named has left it. A
// single event may have been deleted, unless the lane was away for longer than it takes to notice.
func (p *position) purged(now, reach, overlap int64) bool {
	held := func(at int64) bool { return at != never && now-at < reach && at > p.gone }
	expected := 0
	for _, n := range p.named {
		if held(n.at) {
			expected++
		}
	}
	if held(p.under) { // What is below the floor is gone too.
		expected++
	}
	return expected > 1 || expected > 0 && now-p.through > overlap
}

// edge is how far back the log reaches, as it showed where it reached less far
// than retention says.
type edge struct {
	At    time.Time `json:"at"`       // when the log showed it
	Reach int64     `json:"reach_ms"` // how old its oldest event was
}

// reach is how far back the log reaches, in milliseconds.
func (p *position) reach(retention time.Duration) int64 {
	if p.edge == nil {
		return retention.Milliseconds()
	}
	return min(p.edge.Reach, retention.Milliseconds())
}

// learn takes from a complete walk how far back the log reaches. A gap shows
// that it may be less than was thought; an event listed shows that it is more.
func (p *position) learn(w *walk, found *gap, retention time.Duration) {
	now := w.clock.real(w.start)
	age := int64(0) // of the oldest event there is; 0 if there is none
	if w.listed != math.MaxInt64 {
		age = max(0, now-w.listed)
	}
	if found != nil {
		p.gone = p.newest
	}
	switch {
	case age == 0:
		return
	case found != nil:
		p.edge = &edge{At: moment(now), Reach: age}
	case p.edge == nil:
		return
	case age > p.edge.Reach || w.ended && w.bottom < w.floor:
		p.edge = &edge{At: moment(now), Reach: age}
	}
	if p.edge.Reach >= retention.Milliseconds() {
		p.edge = nil
	}
}

// bottom is how far down a walk goes below the floor: once the oldest event
// that the log showed is twice as old, to where it was listed. So an edge that
// was learned too near is found out at the price of few walks.
func (p *position) bottom(now int64) int64 {
	if p.edge == nil || now-p.edge.At.UnixMilli() < p.edge.Reach {
		return math.MaxInt64
	}
	return p.edge.At.UnixMilli() - p.edge.Reach
}

// mend sets a time back that lies ahead of the clocks and of the log: they lied
// when it was taken. The newest event delivered is what the log proves.
func (p *position) mend(w *walk) {
	latest := w.clock.latest(w.start)
	if p.through == never || p.through <= latest+disagreement.Milliseconds() {
		return
	}
	p.through = latest
	if p.newest != never {
		p.through = min(p.newest, latest)
	}
}
