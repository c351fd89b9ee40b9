package cursorlog

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// clock estimates the server's time. It has three witnesses: the Date of an answer,
// this machine's clock, and the log. A listed event has happened, so the log proves that
// the event's time has passed. Both clocks may jump, forward or back, and the Date may be
// missing. The time that the log proves can only be too early: it starts at the newest
// event listed and advances with the monotonic clock, which never jumps.
//
// The use decides which error is harmless. The floor follows the earliest time that is
// proven: a floor that is too low only costs reads. An event counts as ahead of the
// clocks only if it is ahead of the latest witness: such events decide nothing, and a
// position can name only few of them.
type clock struct {
	now func() time.Time // the machine's clock
	log zerolog.Logger

	mu      sync.Mutex
	newest  int64         // time of the newest event listed, in milliseconds; never if there was none
	seen    time.Time     // when it was listed, by the monotonic clock
	skew    time.Duration // by which the clocks disagreed at the last page; 0 if they agreed
	warned  time.Time     // about clocks that disagree
	doubted time.Time     // when the unit of the log's times was doubted
}

// reading is what the clocks showed when a page was requested.
type reading struct {
	sent    time.Time // by the monotonic clock
	machine time.Time // this machine's clock
	date    time.Time // the server's clock; zero if the answer had no Date
}

// earliest is the earlier of the two clocks, in milliseconds.
func (r reading) earliest() int64 {
	if r.date.IsZero() {
		return r.machine.UnixMilli()
	}
	return min(r.machine.UnixMilli(), r.date.UnixMilli())
}

// latest is the later of the two clocks, in milliseconds.
func (r reading) latest() int64 {
	if r.date.IsZero() {
		return r.machine.UnixMilli()
	}
	return max(r.machine.UnixMilli(), r.date.UnixMilli())
}

const (
	// future is how far ahead of all clocks the time of an event may be. One further
	// ahead decides nothing.
	future = 5 * time.Minute

	// disagreement is how far apart the clocks may be without a warning.
	disagreement = time.Minute

	// drift bounds how much too fast the monotonic clock may run: by one part in so
	// many, twice as much as the kernel may slew it (adjtimex(2)).
	drift = 1000

	// january is the end of January 1970. Seconds that are taken for milliseconds are
	// earlier until the year 2054, and no vendor's log has events of that time.
	january = 31 * 24 * 3600 * 1000
)

func newClock(now func() time.Time, log zerolog.Logger) *clock {
	return &clock{now: now, log: log, newest: never}
}

// latest is the time of the latest witness.
func (c *clock) latest(r reading) int64 { return max(r.latest(), c.proven(r.sent)) }

// ahead is the latest time of an event that decides anything.
func (c *clock) ahead(r reading) int64 { return c.latest(r) + future.Milliseconds() }

// learn learns from the events of a page. An event that is a little ahead of all
// witnesses proves no more than they do.
func (c *clock) learn(p *page) {
	latest := c.latest(p.clocks)
	for i := range p.Entries {
		if l := &p.Entries[i]; l.dated {
			c.saw(min(l.At, latest), p.read)
		}
	}
	c.compare(p)
	c.doubtUnit()
}

// saw records that an event with the time at was listed at the instant when.
func (c *clock) saw(at int64, when time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at > c.provenLocked(when) {
		c.newest, c.seen = at, when
	}
}

// proven is the time that the server's clock had at least reached at an instant, as the
// log proves it; never if it proves nothing.
func (c *clock) proven(when time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.provenLocked(when)
}

func (c *clock) provenLocked(when time.Time) int64 {
	if c.newest == never {
		return never
	}
	passed := when.Sub(c.seen)
	return c.newest + (passed - passed.Abs()/drift).Milliseconds()
}

// certain is the time that the floor may follow: proven by the log, and not ahead of
// both clocks.
func (c *clock) certain(r reading) int64 { return min(c.proven(r.sent), r.latest()) }

// real is the most likely time: that of the earlier clock, unless the log proves a later
// one.
func (c *clock) real(r reading) int64 { return max(c.proven(r.sent), r.earliest()) }

// compare warns about clocks that disagree.
func (c *clock) compare(p *page) {
	took := p.read.Sub(p.clocks.sent)
	latest, earliest := p.clocks.latest(), p.clocks.earliest()
	apart := time.Duration(latest-earliest)*time.Millisecond - took
	proven := c.proven(p.read)
	behind := time.Duration(0)
	if proven != never {
		behind = time.Duration(proven-latest)*time.Millisecond - took
	}
	skew := max(apart, behind)
	if skew <= disagreement {
		skew = 0
	}
	c.mu.Lock()
	c.skew = skew
	c.mu.Unlock()
	if skew == 0 {
		return
	}
	if !c.due(&c.warned) {
		return
	}
	event := c.log.Warn().Time("machine", p.clocks.machine.UTC()).Time("log", moment(proven))
	if !p.clocks.date.IsZero() {
		event = event.Time("server", p.clocks.date)
	}
	event.Msg("clocks disagree by more than a minute: nothing is lost or repeated, but reported times and gaps may be wrong; correct this machine's clock if it is the wrong one")
}

// apart is how far the clocks disagreed at the last page; 0 if by less than a minute.
func (c *clock) apart() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}

// doubtUnit warns if the newest event that the log ever listed is of January 1970.
func (c *clock) doubtUnit() {
	c.mu.Lock()
	newest := c.newest
	c.mu.Unlock()
	if newest == never || newest >= january || !c.due(&c.doubted) {
		return
	}
	c.log.Warn().Time("newest", moment(newest)).
		Msg("the newest event of the log is of January 1970: the source probably takes seconds for milliseconds; correct how its Decode reads the time of an event")
}

// due reports whether a warning may be repeated, and notes that it is.
func (c *clock) due(last *time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !last.IsZero() && time.Since(*last) < warnAgain {
		return false
	}
	*last = time.Now()
	return true
}
