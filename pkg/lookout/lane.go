package lookout

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// lane is what the lookout remembers of a lane.
type lane struct {
	unready time.Time // since when it is not ready, as far as was seen; zero if it is
	said    bool      // that it is not ready
	ready   time.Time // since when it is ready without a break, once that it is not was said
	letters letters
	beat    pipeline.Counters // at the last heartbeat
}

// Blips are not worth an event: a lane is said not to be ready after this time, and to be
// ready again after as long. A lane that a reload replaced is ready until it fails first, so
// that it is ready once means little.
const blip = time.Minute

// Largest texts in events, in bytes.
const (
	longReason  = 1000
	shortReason = 160
)

func (l *Lookout) lookAtLanes(here []pipeline.Status, now time.Time) {
	for i := range here {
		s := &here[i]
		known := l.lanes[s.Lane]
		switch {
		case waits(s):
			known.ready = time.Time{} // Whether it could deliver is not known.
			if !known.said {
				known.unready = time.Time{}
			}
		case s.Ready || s.Done:
			l.isReady(known, s, now)
		default:
			l.isUnready(known, s, now)
		}
	}
}

// waits reports whether the lane is paused and could go on. Such a pause is an event of its
// own, and no failure.
func waits(s *pipeline.Status) bool { return s.Paused != nil && len(s.Troubles) == 0 }

func (l *Lookout) isReady(known *lane, s *pipeline.Status, now time.Time) {
	switch {
	case !known.said:
		known.unready = time.Time{}
	case known.ready.IsZero():
		known.ready = now
	case now.Sub(known.ready) >= blip && l.Say(readyAgain(s, known.unready, known.ready)):
		known.said, known.unready, known.ready = false, time.Time{}, time.Time{}
	}
}

func (l *Lookout) isUnready(known *lane, s *pipeline.Status, now time.Time) {
	known.ready = time.Time{}
	if known.unready.IsZero() {
		known.unready = began(s, now)
	}
	if !known.said && now.Sub(known.unready) >= blip {
		known.said = l.Say(unready(s, known.unready))
	}
}

// began is when the lane ceased to be ready: what its troubles say, if they do.
func began(s *pipeline.Status, now time.Time) time.Time {
	first := now
	for _, t := range s.Troubles {
		if !t.Since.IsZero() && t.Since.Before(first) {
			first = t.Since
		}
	}
	return first
}

func unready(s *pipeline.Status, since time.Time) ownlog.Event {
	reason := ownlog.Cut(s.Reason, longReason)
	e := ownlog.New(ownlog.LaneUnready, ofLane(s), fmt.Sprintf("Lane %s is not ready since %s: %s", s.Lane, stamp(since), reason))
	e.Details = detailsOf(s)
	e.Details["reason"], e.Details["since"] = reason, stamp(since)
	return e
}

func readyAgain(s *pipeline.Status, since, until time.Time) ownlog.Event {
	lasted := until.Sub(since).Round(time.Second)
	e := ownlog.New(ownlog.LaneReady, ofLane(s), fmt.Sprintf("Lane %s is ready again since %s, after %s.", s.Lane, stamp(until), lasted))
	e.Details = detailsOf(s)
	e.Details["since"], e.Details["until"], e.Details["unready_seconds"] = stamp(since), stamp(until), int64(lasted.Seconds())
	return e
}

func ofLane(s *pipeline.Status) ownlog.Party { return ownlog.Party{Type: "lane", Name: s.Lane} }

func detailsOf(s *pipeline.Status) map[string]any {
	return map[string]any{"source": s.Source, "sink": s.Sink}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
