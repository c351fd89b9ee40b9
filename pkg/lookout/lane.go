package lookout

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// lane is what the lookout remembers of a lane.
type lane struct {
	unready time.Time // since when it is not ready, as far as was seen; zero if it is
	said    bool      // that it is not ready
	letters letters
	beat    pipeline.Counters // at the last heartbeat
}

// Blips are not worth an event: a lane is said not to be ready after this time.
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
		// A pause that somebody wants is an event of its own, and no failure.
		wanted := s.Paused != nil && len(s.Troubles) == 0
		switch ready := s.Ready || s.Done || wanted; {
		case ready && known.said:
			if l.Say(readyAgain(s, known.unready, now)) {
				known.said, known.unready = false, time.Time{}
			}
		case ready:
			known.unready = time.Time{}
		case known.unready.IsZero():
			known.unready = began(s, now)
			fallthrough
		case !known.said && now.Sub(known.unready) >= blip:
			known.said = now.Sub(known.unready) >= blip && l.Say(unready(s, known.unready))
		}
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
	reason := cut(s.Reason, longReason)
	e := ownlog.New(ownlog.LaneUnready, ofLane(s), fmt.Sprintf("Lane %s is not ready since %s: %s", s.Lane, stamp(since), reason))
	e.Details = detailsOf(s)
	e.Details["reason"], e.Details["since"] = reason, stamp(since)
	return e
}

func readyAgain(s *pipeline.Status, since, now time.Time) ownlog.Event {
	lasted := now.Sub(since).Round(time.Second)
	e := ownlog.New(ownlog.LaneReady, ofLane(s), fmt.Sprintf("Lane %s is ready again after %s.", s.Lane, lasted))
	e.Details = detailsOf(s)
	e.Details["since"], e.Details["unready_seconds"] = stamp(since), int64(lasted.Seconds())
	return e
}

func ofLane(s *pipeline.Status) ownlog.Party { return ownlog.Party{Type: "lane", Name: s.Lane} }

func detailsOf(s *pipeline.Status) map[string]any {
	return map[string]any{"source": s.Source, "sink": s.Sink}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// cut shortens a text to so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[:most]
	for !utf8.ValidString(text) && text != "" {
		text = text[:len(text)-1]
	}
	return strings.TrimSpace(text) + " …"
}
