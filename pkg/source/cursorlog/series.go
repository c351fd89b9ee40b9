package cursorlog

import (
	"errors"
	"time"
)

// series is the walks of a reader, one after another. What one walk shows decides
// how the next one is done.
type series struct {
	settings *Settings
	clock    *clock

	order      order     // as far as known
	fullDue    time.Time // when a walk must go down to the floor again
	ending     *string   // the last id of a walk that met the end of the log and nothing known; nil after any other walk
	confirming bool      // the next walk is to confirm that end
	mayRise    bool      // the last walk met newer events behind older ones, or was discarded for them
}

// begin returns the next walk.
func (s *series) begin(pos *position) *walk {
	bottom := pos.bottom(s.clock.now().UnixMilli())
	full := !time.Now().Before(s.fullDue) || bottom < pos.floor
	w := newWalk(pos, full, s.order, s.settings, s.clock)
	w.bottom, w.promised, w.mayRise = bottom, pos.behind, s.mayRise
	if s.ending != nil {
		w.former = *s.ending
	}
	if !full && s.order == oldestFirst && pos.end[0] != "" {
		w.jump(pos.end)
	}
	return w
}

// finish takes a walk that is done. It returns false if another walk must confirm
// the end of the log first.
func (s *series) finish(w *walk) (confirmed bool) {
	confirmed = s.confirms(w)
	s.order, s.ending, s.confirming = w.order(), nil, !confirmed
	if w.lost() {
		s.ending = &w.last
	}
	if !confirmed {
		s.goDown()
		return false
	}
	s.mayRise = w.rose
	if w.complete {
		s.fullDue = time.Now().Add(s.settings.Overlap.Std() / 4)
	}
	return true
}

// discard takes the error that a walk cannot continue behind.
func (s *series) discard(err error) {
	s.goDown()
	s.mayRise = errors.Is(err, errRises)
}

// goDown has the next walk go down to the floor.
func (s *series) goDown() { s.fullDue = time.Time{} }

// confirms reports whether the walk may be believed. Only a lost one needs a witness,
// the walk before. That one met the same end, or the log has changed there since as
// logs do: one that lists the newest first no longer reaches to the former end, one
// that lists the oldest first has grown beyond it.
func (s *series) confirms(w *walk) bool {
	if !w.lost() || w.floor == never && w.last != "" && !w.misses() {
		return true
	}
	if s.ending == nil {
		return false
	}
	switch former := *s.ending; {
	case w.last == former:
		return true
	case w.last == "" || former == "":
		return false
	}
	return w.sawFormer == (w.order() == oldestFirst)
}
