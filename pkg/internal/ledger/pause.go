package ledger

import (
	"math/rand/v2"
	"time"
)

// pause is how long a fenced lane waits before it is taken again.
type pause struct {
	length time.Duration
	since  time.Time // the lane has been held
}

const (
	firstPause   = time.Minute
	longestPause = 30 * time.Minute
)

func (p *pause) held() { p.since = time.Now() }

// next is twice the one before, with jitter above it, and starts anew after the
// lane was held for long.
func (p *pause) next() time.Duration {
	if p.length == 0 || time.Since(p.since) > 4*p.length {
		p.length = firstPause
	} else {
		p.length = min(2*p.length, longestPause)
	}
	return p.length + rand.N(p.length/2)
}
