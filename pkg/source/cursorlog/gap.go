package cursorlog

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// gap is an interval of which events may be missing.
type gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // time of the oldest event left, or the server's time if there was none

	saved bool // the position was returned with the gap in it
}

// event is the event that reports the gap.
func (g *gap) event(s *Source, lane string) (source.Event, error) {
	e, err := source.NewGap(s.keys, s.organization, lane, source.Interval{From: g.From, To: g.To})
	if err != nil {
		return source.Event{}, fmt.Errorf("%s: %w", s.name, err)
	}
	return e, nil
}

// gap is the interval of which events may be missing; nil if there is none. The end of the
// log is confirmed. There is a gap only if the walk was lost, and one of three things holds:
// the log no longer holds what an earlier walk listed and did not return, or events that it
// must hold, or the last complete walk is longer ago than the log reaches back.
func (w *walk) gap(s *Settings) *gap {
	if !w.lost() {
		return nil
	}
	through, now := w.pos.through, w.clock.real(w.start)
	// If the log is empty, the gap ends at the latest witness of the time: an interval
	// that is too long hides no loss. A Date has whole seconds.
	to := min(w.clock.latest(w.start)+time.Second.Milliseconds(), w.listed)
	switch {
	case w.misses():
	case through == never:
		return nil
	case w.pos.purged(now, s): // If the log reaches back to through, late events may still be missing.
		to = max(to, through)
	case now-through <= w.pos.reach(s.Retention.Std()) || to <= through:
		return nil
	}
	from := w.missesFrom(now, s)
	return &gap{From: moment(from), To: moment(max(from, to))}
}

// missesFrom is the earliest time of an event that a gap misses. A late event may be
// earlier than the walk that could not list it yet. An event that no walk listed may be as
// old as the log can hold. In a log that lists the oldest first, an end that was wrong
// hides the newest events. The next poll finds them, unless the lane stops and the log
// loses them before.
func (w *walk) missesFrom(now int64, s *Settings) int64 {
	through := w.pos.through
	if w.order() != newestFirst && w.pos.newest != never {
		through = min(through, w.pos.newest)
	}
	switch {
	case w.pos.through != never:
		return max(w.floor, min(through-s.Overlap.Std().Milliseconds(), w.awaited))
	case w.promised == "":
		return w.awaited
	}
	return min(now-s.Retention.Std().Milliseconds(), w.awaited)
}

// passGap moves through behind the gap, which is saved in the same position. It does not
// move it past the events that are left: they are not delivered yet and may expire first.
func (p *position) passGap(w *walk) {
	p.through = max(p.through, min(w.clock.real(w.start), w.listed))
}

// purged reports whether a log lost events that it must hold by its retention. The log
// holds nothing of the position. Nobody knows then what else it lost: a log that was quiet
// may have grown since the last walk. So a log that reaches back less far than its
// retention yields a gap each time all named events have left it, even if it was quiet.
// If a single event is missing, somebody may have deleted it. That is a gap only if the
// lane did not read for longer than the overlap.
func (p *position) purged(now int64, s *Settings) bool {
	expected := p.expected(now, s)
	return expected > 1 || expected > 0 && now-p.through > s.Overlap.Std().Milliseconds()
}

// expected is how many events of the position the log must hold. It counts no
// further than two.
func (p *position) expected(now int64, s *Settings) int {
	mustHold := func(at int64) bool { return at != never && now-at < s.Retention.Std().Milliseconds() && at > p.gone }
	expected := 0
	for _, n := range p.named {
		if mustHold(n.at) {
			if expected++; expected > 1 {
				return expected
			}
		}
	}
	if mustHold(p.under) { // It is gone, too: nothing below the floor was met.
		expected++
	}
	return expected
}
