// Package standoff decides how long an instance pauses that lost a lane to another one. If
// two instances run a lane by mistake, each would take it back at once, and neither would
// deliver.
package standoff

import (
	"math/rand/v2"
	"time"
)

// Pause is how long a fenced lane waits before it is taken again.
type Pause struct {
	length time.Duration
	since  time.Time // when the lane was last taken
}

const (
	firstPause   = time.Minute
	longestPause = 30 * time.Minute
)

// Held notes that the lane was taken.
func (p *Pause) Held() { p.since = time.Now() }

// Next doubles the pause and adds jitter. After the lane was held for long, the pause
// begins at its shortest again.
func (p *Pause) Next() time.Duration {
	if p.length == 0 || time.Since(p.since) > 4*p.length {
		p.length = firstPause
	} else {
		p.length = min(2*p.length, longestPause)
	}
	return p.length + rand.N(p.length/2)
}
