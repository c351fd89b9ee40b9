package pipeline

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Status is a snapshot of a lane: the one place that metrics, readiness, the
// status page and the progress line read from.
type Status struct {
	Lane, Source, Sink, Format string

	Elsewhere  bool   // another replica runs the lane; set by who knows that
	Ready      bool   // the last read is fresh and the last publish was accepted
	Done       bool   // with Once: it caught up, and all is settled
	Resting    bool   // it cannot go on, and is tried again after a rest; Reason says why
	Reason     string // why not ready, for people; empty if ready
	CatchingUp bool   // older events are known to wait

	Reader   source.Progress
	Position source.Description // of the last saved checkpoint
	Lag      time.Duration      // age of the oldest event that is known to wait, else of the newest delivered while others wait; 0 when caught up

	Read       uint64            // events handed out by the reader; of those settled each is one of published, rejected and filtered
	Filtered   uint64            // events that the sink was not to get
	Unprepared uint64            // events delivered although their preparation failed
	Unmapped   uint64            // events whose action the catalogue does not know
	Truncated  uint64            // records in which values were shortened or left out to keep to a limit
	Published  uint64            // records the destination took
	Rejected   uint64            // records buried as dead letters
	Retries    map[string]uint64 // failures that another attempt follows, by class; by operation (take, start, read, open, publish, bury, save) where an error names no class

	QueuedPages   [2]int    // waiting to be transformed, waiting to be published
	QueuedBytes   int64     // of raw events, positions and bodies, those being published included
	LastPublished time.Time // zero if nothing was since the process began
	Publish       Histogram
}

// Status is a snapshot of the lane. It may be called at any time: before, during
// and after Run.
func (l *Lane) Status() Status {
	l.prepared.Do(l.prepare)
	s := Status{Lane: l.Name, Source: l.SourceName, Sink: l.SinkName, Format: l.Format}
	s.Retries = map[string]uint64{}
	for _, op := range l.operations() {
		op.addRetries(s.Retries)
	}
	now := time.Now()
	seen := l.state.snapshot(&s)
	reasons := l.unready(&s, seen, now)
	var err error
	if s.Position, err = l.place.description(l.Source.Describe); err != nil {
		reasons = append(reasons, fmt.Sprintf("describe checkpoint: %v", err))
	}
	s.Lag = lag(&s, seen.oldest, now)
	s.Reason = strings.Join(reasons, "; ")
	s.Ready = s.Reason == ""
	return s
}

// maxSilence is how long a sink that has taken nothing yet may leave a Publish
// without an answer before it is no longer said to accept. Clients of some
// destinations try for themselves until publish_timeout, so that no error tells in
// the meantime that nobody is there. One that has taken records may be slow.
const maxSilence = 15 * time.Second

// gapAlarm is how long a lane is not ready after a gap was found, though it goes
// on: long enough for an alert that watches readiness alone.
const gapAlarm = 15 * time.Minute

// unready says why the lane is not ready. What fails once while it reads is no
// reason as long as the last read is fresh; and while the reader waits for room
// in the queue, a read that is not fresh is none either: then all depends on
// whether the sink accepts.
func (l *Lane) unready(s *Status, seen view, now time.Time) []string {
	var reasons []string
	for _, op := range []*operation{&l.publishing, &l.burying, &l.saving, &l.opening, &l.taking, &l.starting} {
		if trouble := op.trouble(); trouble != "" {
			reasons = append(reasons, trouble)
		}
	}
	if waits := now.Sub(seen.asked); !seen.asked.IsZero() && s.LastPublished.IsZero() && waits >= maxSilence {
		reasons = append(reasons, fmt.Sprintf("publish: the sink has taken nothing yet, and has not answered for %s", waits.Round(time.Second)))
	}
	if found := s.Reader.LastGap; !found.IsZero() && now.Sub(found) < gapAlarm {
		reasons = append(reasons, fmt.Sprintf("events are missing: at %s the log no longer reached back to where the lane had stopped (the event sluice.gap says from when to when); the lane goes on, and is ready again at %s",
			found.UTC().Format(time.RFC3339), found.Add(gapAlarm).UTC().Format(time.RFC3339)))
	}
	if !seen.running {
		if seen.ended != nil {
			return append(reasons, fmt.Sprintf("not running: %v", seen.ended))
		}
		return append(reasons, "not running")
	}
	age, fresh := now.Sub(seen.fresh), l.Source.Freshness()
	if seen.blocked || age < fresh.Age {
		return reasons
	}
	stale := l.reading.trouble()
	switch {
	case stale != "":
	case seen.fresh.IsZero():
		stale = "read: nothing was read yet"
	default:
		stale = fmt.Sprintf("read: the last one was %s ago", age.Round(time.Second))
	}
	// Another lane may have met what holds this one back.
	if !strings.Contains(stale, fresh.Reason) {
		stale += "; " + fresh.Reason
	}
	return append(reasons, stale)
}

// lag is how old the oldest event is that waits in the lane, else that of the
// walk under way, else the newest one delivered.
func lag(s *Status, waiting, now time.Time) time.Duration {
	oldest := waiting
	if oldest.IsZero() {
		if s.Reader.CaughtUp {
			return 0
		}
		oldest = s.Reader.Oldest
		if s.Position.Event.After(oldest) {
			oldest = s.Position.Event
		}
	}
	if oldest.IsZero() {
		return 0
	}
	return max(now.Sub(oldest), 0)
}
