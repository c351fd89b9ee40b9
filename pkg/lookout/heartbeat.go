package lookout

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// mostStates is how many lanes a heartbeat describes. With more, those that need attention
// are described and all are counted, so that the event fits into a record of any sink.
const mostStates = 20

// state is a lane in a heartbeat.
type state struct {
	Lane      string `json:"lane"`
	Ready     bool   `json:"ready"`
	Paused    bool   `json:"paused,omitempty"` // by somebody; without it, a lane that is not ready has trouble
	Reason    string `json:"reason,omitempty"`
	Lag       int64  `json:"lag_seconds"`
	Newest    string `json:"newest_event,omitempty"`
	Published uint64 `json:"published"`
	Rejected  uint64 `json:"rejected"`
}

// lookAtTheTime says that the process lives, and how its lanes are. While the own log takes
// nothing, one heartbeat waits: more would say no more.
func (l *Lookout) lookAtTheTime(here []pipeline.Status, now time.Time) {
	if l.Heartbeat == 0 || now.Sub(l.beat) < l.Heartbeat {
		return
	}
	if l.beat = l.beat.Add(l.Heartbeat); now.Sub(l.beat) >= l.Heartbeat { // The machine slept.
		l.beat = now
	}
	if l.waits(ownlog.Heartbeat) || !l.Say(l.heartbeat(here)) {
		return
	}
	for i := range here {
		l.lanes[here[i].Lane].beat = here[i].Counters
	}
}

func (l *Lookout) heartbeat(here []pipeline.Status) ownlog.Event {
	states := make([]state, len(here))
	var read, published, filtered, rejected uint64
	ready, paused, lag := 0, 0, time.Duration(0)
	for i := range here {
		s := &here[i]
		before := l.lanes[s.Lane].beat
		read += since(s.Read, before.Read)
		filtered += since(s.Filtered, before.Filtered)
		states[i] = stateOf(s, before)
		published += states[i].Published
		rejected += states[i].Rejected
		switch {
		case waits(s):
			paused++
		case s.Ready:
			ready++
		}
		lag = max(lag, s.Lag)
	}
	slices.SortStableFunc(states, func(a, b state) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.Lag, a.Lag))
	})
	shown := states[:min(len(states), mostStates)]
	text := fmt.Sprintf("Sluice runs: %d of %d lanes are ready.", ready, len(here))
	if paused > 0 {
		text = fmt.Sprintf("Sluice runs: %d of %d lanes are ready, and %d paused.", ready, len(here), paused)
	}
	e := ownlog.New(ownlog.Heartbeat, ownlog.Party{Type: "process", Name: "sluice"}, text)
	e.Details = map[string]any{
		"lanes": len(here), "ready": ready, "paused": paused, "not_ready": len(here) - ready - paused, "longest_lag_seconds": int64(lag.Seconds()),
		"read": read, "published": published, "filtered": filtered, "rejected": rejected,
		"interval_seconds": int64(l.Heartbeat.Seconds()), "states": shown, "states_left_out": len(states) - len(shown),
	}
	return e
}

// rank orders lanes by how much attention they need.
func (s *state) rank() int {
	switch {
	case s.Paused:
		return 1
	case s.Ready:
		return 2
	}
	return 0
}

func stateOf(s *pipeline.Status, before pipeline.Counters) state {
	of := state{
		Lane: s.Lane, Ready: s.Ready, Paused: waits(s), Reason: ownlog.Cut(s.Reason, shortReason), Lag: int64(s.Lag.Seconds()),
		Published: since(s.Published, before.Published), Rejected: since(s.Rejected, before.Rejected),
	}
	if !s.Position.Event.IsZero() {
		of.Newest = stamp(s.Position.Event)
	}
	return of
}

// since is what was counted after an earlier count. A lane that was replaced counts from 0.
func since(count, before uint64) uint64 {
	if count < before {
		return count
	}
	return count - before
}
