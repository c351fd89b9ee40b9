package console

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// Points of a History: one for each ten minutes of a day.
const (
	Span   = 24 * time.Hour
	Every  = 10 * time.Minute
	Points = int(Span / Every)
)

// Point is what a lane did in ten minutes.
type Point struct {
	Known   bool          // the lane was sampled
	Settled uint32        // events that were published, filtered or rejected
	Lag     time.Duration // the largest, in whole seconds
	Unready bool          // it was not ready at some time
}

// History samples the lanes and remembers a day of each. It takes a sample a minute, and
// some more in the first minute. Lanes that the set no longer has are forgotten. A lane
// that another replica runs is not sampled.
//
// The points follow the clock. If the clock is put back by more than ten minutes, the
// history begins anew: it cannot tell which points are still true.
type History struct {
	lanes   func() []pipeline.Status
	started time.Time // the process, as the clock was then

	mu     sync.Mutex
	now    int64 // the number of the current point, in Every since 1970
	tracks map[string]*track
}

// track is what is remembered of a lane. It has about 1.2 kB, since there may be thousands.
type track struct {
	points  [Points]packed // that of number n is at n % Points
	settled uint64         // by the last sample
	sampled time.Time      // when that was; zero if another replica runs the lane
	rate    float32        // events a second between the last two samples; below zero if it is not known
	state   state          // by the last sample
	since   time.Time      // when a sample first said so
	ready   bool           // by the last sample
	readied time.Time      // when a sample first said so
}

// packed is a Point in eight bytes.
type packed struct {
	settled uint32
	state   uint32 // flags, and the lag in seconds
}

const (
	known   = 1 << 31
	unready = 1 << 30
	maxLag  = unready - 1
)

// NewHistory returns an empty history that begins now. Lanes must not have run before.
func NewHistory(lanes func() []pipeline.Status) *History {
	h := &History{lanes: lanes, started: time.Now().Round(0)}
	h.begin(h.started)
	return h
}

// begin empties the history.
func (h *History) begin(now time.Time) {
	h.now, h.tracks = number(now), map[string]*track{}
}

// number returns the number of the point of a time.
func number(t time.Time) int64 { return t.Unix() / int64(Every/time.Second) }

// Run samples until ctx ends. It returns nil.
func (h *History) Run(ctx context.Context) error {
	// The first samples are close to one another, so that a rate is known soon.
	pause := time.Second
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		h.sample()
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(pause)
		pause = min(2*pause, time.Minute)
	}
}

func (h *History) sample() {
	lanes, now := h.lanes(), time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(now)
	for i := range lanes {
		s := &lanes[i]
		t := h.tracks[s.Lane]
		if t == nil {
			t = &track{state: stateOf(s), since: now, ready: s.Ready, readied: now, rate: -1}
			h.tracks[s.Lane] = t
		}
		t.add(s, now, &t.points[h.now%int64(Points)])
	}
	if len(h.tracks) > len(lanes) {
		h.forget(lanes)
	}
}

// advance goes on to the point of a time, and empties those in between.
func (h *History) advance(now time.Time) {
	n := number(now)
	switch {
	case n < h.now-1:
		h.begin(now)
	case n > h.now:
		for _, t := range h.tracks {
			for i := max(h.now+1, n-int64(Points)+1); i <= n; i++ {
				t.points[i%int64(Points)] = packed{}
			}
		}
		h.now = n
	}
}

// forget removes all lanes but these.
func (h *History) forget(but []pipeline.Status) {
	stay := make(map[string]bool, len(but))
	for i := range but {
		stay[but[i].Lane] = true
	}
	for name := range h.tracks {
		if !stay[name] {
			delete(h.tracks, name)
		}
	}
}

// add takes a sample into a point.
func (t *track) add(s *pipeline.Status, now time.Time, p *packed) {
	if is := stateOf(s); is != t.state {
		t.state, t.since = is, now
	}
	if s.Ready != t.ready {
		t.ready, t.readied = s.Ready, now
	}
	if s.Elsewhere {
		t.sampled, t.rate = time.Time{}, -1
		return
	}
	total := settledOf(s)
	if total < t.settled { // The lane was built anew, and counts from 0.
		t.settled = 0
	}
	settled := total - t.settled
	if past := now.Sub(t.sampled); !t.sampled.IsZero() && past > 0 {
		t.rate = float32(float64(settled) / past.Seconds())
	}
	t.settled, t.sampled = total, now
	p.settled = uint32(min(uint64(p.settled)+settled, 1<<32-1))
	lag := max(p.state&maxLag, uint32(min(max(s.Lag, 0)/time.Second, maxLag)))
	p.state = p.state&^maxLag | lag | known
	if !s.Ready {
		p.state |= unready
	}
}

// Started returns when the process began, also if the history began anew after that.
func (h *History) Started() time.Time { return h.started }

func settledOf(s *pipeline.Status) uint64 { return s.Published + s.Filtered + s.Rejected }

// SettledSince returns how many events a lane has settled since the last sample.
func (h *History) SettledSince(s *pipeline.Status) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[s.Lane]
	switch total := settledOf(s); {
	case t == nil || t.sampled.IsZero():
		return 0
	case total < t.settled: // The lane was built anew, and counts from 0.
		return total
	default:
		return total - t.settled
	}
}

// Lane returns the points of a lane, the oldest first, and the time at which the last one
// ends. That is in the future: the last point is not complete.
func (h *History) Lane(lane string) (points [Points]Point, end time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance(time.Now())
	if t := h.tracks[lane]; t != nil {
		for i := range points {
			points[i] = t.points[(h.now+1+int64(i))%int64(Points)].point()
		}
	}
	return points, time.Unix((h.now+1)*int64(Every/time.Second), 0)
}

func (p packed) point() Point {
	return Point{
		Known: p.state&known != 0, Unready: p.state&unready != 0,
		Settled: p.settled, Lag: time.Duration(p.state&maxLag) * time.Second,
	}
}

// Rate returns the events that a lane settled a second between the last two samples.
func (h *History) Rate(lane string) (perSecond float64, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[lane]
	if t == nil || t.rate < 0 {
		return 0, false
	}
	return float64(t.rate), true
}

// State returns since when a lane has been in its state, and since when it has been as ready
// as it is. Each is zero if that is not known: the lane was not sampled yet, or it changed
// after the last sample.
func (h *History) State(s *pipeline.Status) (since, ready time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[s.Lane]
	if t == nil {
		return since, ready
	}
	if t.state == stateOf(s) {
		since = t.since
	}
	if t.ready == s.Ready {
		ready = t.readied
	}
	return since, ready
}
