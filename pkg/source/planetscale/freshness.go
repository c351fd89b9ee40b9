package planetscale

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// missedReads is how many reads in a row may fail or be slow before a lane is no
// longer said to be fresh.
const missedReads = 3

// Freshness is the age of a read that comes as late as the settings allow: after
// three poll intervals, each with the longest wait for the budget, and a request
// that takes all the time it may. A 429 adds the longest pause once, so that one
// pause is no reason for alarm and a second one is. So does an answer that is
// too large, since the page is requested again with a smaller limit.
func (s *Source) Freshness() source.Freshness {
	wait, pause, refusal := s.client.budget.delays()
	age := missedReads*(s.settings.PollInterval.Std()+wait) + requestTimeout
	// A lane needs this long until its first read after a pause.
	if pause < age {
		age += maxPause
	}
	age += time.Duration(s.client.retriedSmaller()) * (wait + requestTimeout)
	return source.Freshness{Age: age, Reason: refusal}
}

// delays says how long a request waits for its token at most, how long ago the
// last pause ended, and what the 429 said that causes the pause under way.
func (b *budget) delays() (wait, sincePause time.Duration, refusal string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Each reader waits for one request at a time. The page of a catch-up waits
	// for the pages before it, and for four polls before each of them.
	ahead := max(1, (pollsInARow+1)*(b.readers-1))
	wait = time.Duration(ahead) * b.interval
	switch {
	case b.refusal != "":
		return wait, 0, b.refusal
	case b.resumed.IsZero():
		return wait, forever, ""
	}
	return wait, time.Since(b.resumed), ""
}

const forever = time.Duration(1<<63 - 1)
