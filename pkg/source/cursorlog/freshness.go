package cursorlog

import (
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// missedReads is how many reads in a row may fail or be slow before a lane no longer
// counts as fresh.
const missedReads = 3

// Freshness is how old the last read may be while all is well: three poll intervals,
// each with the longest wait for the budget, and one request that takes until its
// timeout. A 429 adds the longest pause once: one pause is no reason for alarm, a second
// one is. Each answer that is too large adds a wait and a request, since the page is
// requested again with a smaller limit.
func (s *Source) Freshness() source.Freshness {
	wait, pause, held := s.requester.budget.delays()
	age := missedReads*(s.settings.PollInterval.Std()+wait) + requestTimeout
	// A lane needs this long until its first read after a pause.
	if pause < age {
		age += maxPause
	}
	age += time.Duration(s.requester.retriedSmaller()) * (wait + requestTimeout)
	return source.Freshness{Age: age, Reason: held}
}

// delays returns how long a request waits for its token at most, how long ago the last
// pause ended, and why requests are held back now, for people.
func (b *Budget) delays() (wait, sincePause time.Duration, held string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Each reader waits for one request at a time. A request of a catch-up may wait for
	// one of each other reader, and for four polls before each of those.
	ahead := max(1, (pollsInARow+1)*(b.readers-1))
	wait = time.Duration(ahead) * b.interval
	switch {
	case b.refusal != "":
		return wait, 0, b.refusal
	case b.resumed.IsZero():
		return wait, forever, b.crowd()
	}
	return wait, time.Since(b.resumed), b.crowd()
}

// crowd says that requests wait for the rate; empty if none does. The caller holds the lock.
func (b *Budget) crowd() string {
	n := len(b.waiting[poll]) + len(b.waiting[catchUp])
	if n == 0 || b.interval == 0 {
		return ""
	}
	return fmt.Sprintf("all lanes with this credential share %d requests a minute, and %d of them wait for their turn: fewer lanes, more credentials or a higher rate would help",
		time.Minute/b.interval, n)
}

const forever = time.Duration(1<<63 - 1)
