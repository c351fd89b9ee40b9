package lookout

import "time"

// LookEvery is for tests of days, in which a look each second would take minutes.
func (l *Lookout) LookEvery(d time.Duration) { l.every = d }
