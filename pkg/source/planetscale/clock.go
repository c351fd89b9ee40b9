package planetscale

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// clock judges what time it is at the API. Three witnesses tell: the Date of an
// answer, this machine's clock, and the log, which listed an event at some
// instant and so shows that its created_at had passed by then. Either clock may
// jump, either way, or be missing. The log's time only grows too slowly: from the
// newest event listed it follows the monotonic clock, which never jumps.
//
// Who asks decides which error is harmless. The floor takes the earliest time
// that is proven, since a floor that is too low costs only reading. Whether an
// event is ahead of its time is held against the latest witness, since an event
// that decides nothing is named among few.
type clock struct {
	now func() time.Time // the machine's clock
	log zerolog.Logger

	mu     sync.Mutex
	newest int64     // of the events listed, in milliseconds; never if there was none
	seen   time.Time // when it was listed, for differences of the monotonic clock
	warned time.Time
}

// reading is what the clocks said when a page was requested.
type reading struct {
	sent    time.Time // for differences of the monotonic clock
	machine time.Time // this machine's clock
	date    time.Time // the server's; zero if the answer had no Date
}

// earliest and latest are of the two clocks, in milliseconds.
func (r reading) earliest() int64 {
	if r.date.IsZero() {
		return r.machine.UnixMilli()
	}
	return min(r.machine.UnixMilli(), r.date.UnixMilli())
}

func (r reading) latest() int64 {
	if r.date.IsZero() {
		return r.machine.UnixMilli()
	}
	return max(r.machine.UnixMilli(), r.date.UnixMilli())
}

const (
	// future is how far ahead of all clocks a created_at may be before it stops
	// deciding anything.
	future = 5 * time.Minute

	// disagreement of the clocks up to that is not told.
	disagreement = time.Minute

	// drift is the part by which the monotonic clock may run too fast: a
	// thousandth, twice of what the kernel may slew it by (adjtimex(2)).
	drift = 1000
)

func newClock(now func() time.Time, log zerolog.Logger) *clock {
	return &clock{now: now, log: log, newest: never}
}

// skim reads the body of an answer and learns from it.
func (c *clock) skim(body []byte, r reading) (*page, error) {
	p, err := skim(body, r, c.ahead(r), time.Now().UTC())
	if err != nil {
		return nil, err
	}
	c.learn(p)
	return p, nil
}

// latest is the time that the latest of all witnesses tells.
func (c *clock) latest(r reading) int64 { return max(r.latest(), c.proven(r.sent)) }

// ahead is the latest created_at that decides anything.
func (c *clock) ahead(r reading) int64 { return c.latest(r) + future.Milliseconds() }

// learn takes from the events of a page what time it is at least. One a little
// ahead of all witnesses proves no more than they do.
func (c *clock) learn(p *page) {
	latest := c.latest(p.clocks)
	for i := range p.listed {
		if l := &p.listed[i]; l.dated {
			c.saw(min(l.at, latest), p.read)
		}
	}
	c.compare(p)
}

// saw learns that an event of a time was listed at an instant.
func (c *clock) saw(at int64, when time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at > c.provenLocked(when) {
		c.newest, c.seen = at, when
	}
}

// proven is the time that had passed at the API at an instant, as the log proves
// it; never if it proves nothing.
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

// settled is the time that the floor may follow: proven by the log, and not
// ahead of both clocks.
func (c *clock) settled(r reading) int64 { return min(c.proven(r.sent), r.latest()) }

// real is the time as it most likely was: the earlier of the clocks, unless the
// log proves it too early.
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
	if apart <= disagreement && behind <= disagreement {
		return
	}
	c.mu.Lock()
	again := !c.warned.IsZero() && time.Since(c.warned) < warnAgain
	if !again {
		c.warned = time.Now()
	}
	c.mu.Unlock()
	if again {
		return
	}
	event := c.log.Warn().Time("machine", p.clocks.machine.UTC()).Time("log", moment(proven))
	if !p.clocks.date.IsZero() {
		event = event.Time("api", p.clocks.date)
	}
	event.Msg("clocks disagree by more than a minute: nothing is lost or repeated, but times and gaps may be told wrong; set the clock of this machine if it is the wrong one")
}
