// Package cadence decides how often a log repeats what may happen many times a second.
package cadence

import (
	"sync"
	"time"
)

// repeatAfter is how often a log repeats what has not changed.
const repeatAfter = 5 * time.Minute

// Cadence says when to log: the first time, when the class of what happens changes, and
// then every five minutes. The zero value has logged nothing. Due may be called
// concurrently.
type Cadence struct {
	mu    sync.Mutex
	class string
	at    time.Time // zero: never
}

// Due reports whether to log what happens now, and notes that it is logged.
func (c *Cadence) Due(class string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.at.IsZero() && class == c.class && now.Sub(c.at) < repeatAfter {
		return false
	}
	c.class, c.at = class, now
	return true
}
