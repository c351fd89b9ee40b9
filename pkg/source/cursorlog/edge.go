package cursorlog

import "time"

// edge is how far back the log was seen to reach, if that is less far than its retention.
type edge struct {
	At    time.Time `json:"at"`       // when it was seen
	Reach int64     `json:"reach_ms"` // age of the oldest event
}

// reach is how far back the log reaches, in milliseconds.
func (p *position) reach(retention time.Duration) int64 {
	if p.edge == nil {
		return retention.Milliseconds()
	}
	return min(p.edge.Reach, retention.Milliseconds())
}

// learnReach learns from a complete walk how far back the log reaches. A gap shows that
// it may be less far than was known, a listed event that it is farther.
func (p *position) learnReach(w *walk, found *gap, s *Settings) {
	now := w.clock.real(w.start)
	age := int64(0) // of the oldest event; 0 if there is none
	if w.listed != none {
		age = max(0, now-w.listed)
	}
	switch {
	case found != nil && age == 0:
		p.edge = &edge{At: moment(now), Reach: p.held(s)}
	case found != nil:
		p.edge = &edge{At: moment(now), Reach: age}
	case age == 0 || p.edge == nil:
	case age > p.edge.Reach || w.ended && w.bottom < w.floor:
		p.edge = &edge{At: moment(now), Reach: age}
	}
	if found != nil {
		p.gone = p.newest
	}
	p.gone = min(p.gone, w.listed-1) // What is listed is not gone.
	if p.edge != nil && p.edge.Reach >= s.Retention.Std().Milliseconds() {
		p.edge = nil
	}
}

// held is how far back an empty log is taken to reach: as far as it did at the last
// complete walk. A log that never showed its reach may be cut again at any time. It is
// taken to reach back as far as a running lane needs to notice that: an overlap and a
// poll.
func (p *position) held(s *Settings) int64 {
	notice := (s.Overlap.Std() + s.PollInterval.Std()).Milliseconds()
	if p.newest == never || p.newest <= p.gone {
		return notice
	}
	return max(notice, p.through-p.newest)
}

// bottom is how far a walk goes down below the floor: to the time of the edge's oldest
// event, once that event is twice as old as then. So an edge that was learned too near is
// corrected, at the cost of few walks.
func (p *position) bottom(now int64) int64 {
	if p.edge == nil || now-p.edge.At.UnixMilli() < p.edge.Reach {
		return none
	}
	return p.edge.At.UnixMilli() - p.edge.Reach
}
