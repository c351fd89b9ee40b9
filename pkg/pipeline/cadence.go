package pipeline

import "time"

// repeatAfter is how often a log repeats what has not changed.
const repeatAfter = 5 * time.Minute

// cadence decides whether to log something that may happen many times a second: the first
// time, when its class changes, and then every five minutes.
type cadence struct {
	class string
	at    time.Time
}

func (c *cadence) due(class string) bool {
	now := time.Now()
	if class == c.class && now.Sub(c.at) < repeatAfter {
		return false
	}
	c.class, c.at = class, now
	return true
}
