package planetscale

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// budget is a token bucket of requests, shared by everything that uses one
// credential. Polls go first: a poll is one request, and it shows whether
// anything is new. If polls alone would use the whole budget, every fifth request
// still goes to a catch-up.
//
// Of the API's 600 requests in any 60 s, a rate of 500 a minute and a burst of
// 10 leave room for another client of the same credential. Sources with different
// rates share the slowest of them.
//
// A 429 pauses all requests. After the pause one request goes out as a probe, and
// the others wait for its answer: another 429 begins another pause, and anything
// else ends it.
type budget struct {
	mu       sync.Mutex
	rates    []int         // requests a minute of the sources that share the budget; 0 is no limit
	interval time.Duration // between tokens; 0 is no limit
	burst    float64
	tokens   float64
	counted  time.Time // when tokens was true
	waiting  [2][]*grant
	polls    int // served since the last page of a catch-up
	timer    *time.Timer
	readers  int // that may wait at the same time

	refusal string    // of the last 429, for people; empty once a probe was answered otherwise
	until   time.Time // no request before
	probing bool      // a probe is on its way
	resumed time.Time // when a probe last ended a pause
}

// grant is the permission for one request.
type grant struct {
	ready chan struct{} // closed once the request may go out
	probe bool          // the request is to show whether a pause is over
}

const maxBurst = 10

// join adds a source that wants so many requests a minute; 0 is no limit. The
// function returned takes it away.
func (b *budget) join(perMinute int) (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rates = append(b.rates, perMinute)
	b.adjust()
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		i := slices.Index(b.rates, perMinute)
		b.rates = slices.Delete(b.rates, i, i+1)
		b.adjust()
	})
}

// adjust takes the slowest of the rates. The caller holds the lock.
func (b *budget) adjust() {
	slowest := 0
	for _, rate := range b.rates {
		if rate > 0 && (slowest == 0 || rate < slowest) {
			slowest = rate
		}
	}
	now := time.Now()
	limited := b.interval > 0
	if limited {
		b.refill(now)
	}
	b.interval, b.burst = 0, 0
	if slowest > 0 {
		b.interval = time.Minute / time.Duration(slowest)
		b.burst = math.Min(maxBurst, math.Max(1, float64(slowest)/60))
	}
	if !limited {
		b.tokens, b.counted = b.burst, now
	}
	b.tokens = math.Min(b.tokens, b.burst)
	b.serve()
}

// reading counts the readers that may wait for a request.
func (b *budget) reading(more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers += more
}

// urgency orders the requests that wait.
type urgency int

const (
	poll urgency = iota
	catchUp
)

// take waits for the permission for a request. The caller calls answered when the
// request is over.
func (b *budget) take(ctx context.Context, u urgency) (*grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g := &grant{ready: make(chan struct{})}
	b.mu.Lock()
	b.waiting[u] = append(b.waiting[u], g)
	b.serve()
	b.mu.Unlock()
	select {
	case <-g.ready:
		return g, nil
	case <-ctx.Done():
		b.abandon(u, g)
		return nil, ctx.Err()
	}
}

// abandon leaves the queue; a token granted meanwhile goes back.
func (b *budget) abandon(u urgency, g *grant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting[u], g); i >= 0 {
		b.waiting[u] = slices.Delete(b.waiting[u], i, i+1)
		return
	}
	if b.interval > 0 {
		b.tokens++
	}
	b.probing = b.probing && !g.probe
	b.serve()
}

// pause keeps all requests back for d after a 429, and returns that as a text for
// people.
func (b *budget) pause(d time.Duration) (refusal string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := time.Now().Add(d); t.After(b.until) {
		b.until = t
	}
	b.refusal = "429 Too Many Requests, no requests until " + b.until.UTC().Format(time.RFC3339)
	return b.refusal
}

// answered tells that a request is over. ok says that it got an answer other than
// 429, which ends a pause if the request was its probe: what was sent before the
// pause proves nothing.
func (b *budget) answered(g *grant, ok bool) {
	if !g.probe {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if ok {
		b.refusal, b.resumed = "", time.Now()
	}
	b.serve()
}

// serve grants what can be granted at once and sets the timer for the rest. The
// caller holds the lock.
func (b *budget) serve() {
	now := time.Now()
	for queue := b.queue(); queue != nil && !b.probing; queue = b.queue() {
		wait := max(b.until.Sub(now), b.shortage(now))
		if wait > 0 {
			b.wake(wait)
			return
		}
		if b.interval > 0 {
			b.tokens--
		}
		b.polls++
		if queue == &b.waiting[catchUp] {
			b.polls = 0
		}
		g := (*queue)[0]
		*queue = (*queue)[1:]
		b.probing = b.refusal != ""
		g.probe = b.probing
		close(g.ready)
	}
}

func (b *budget) wake(after time.Duration) {
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = time.AfterFunc(after, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.serve()
	})
}

const pollsInARow = 4

// queue is the one to be served next; nil if nobody waits.
func (b *budget) queue() *[]*grant {
	polls, pages := &b.waiting[poll], &b.waiting[catchUp]
	switch {
	case len(*polls) > 0 && (len(*pages) == 0 || b.polls < pollsInARow):
		return polls
	case len(*pages) > 0:
		return pages
	}
	return nil
}

// shortage is how long it takes until there is a token.
func (b *budget) shortage(now time.Time) time.Duration {
	if b.interval == 0 {
		return 0
	}
	b.refill(now)
	if b.tokens >= 1 {
		return 0
	}
	// A nanosecond more, so that rounding never wakes the timer too early.
	return time.Duration((1-b.tokens)*float64(b.interval)) + 1
}

func (b *budget) refill(now time.Time) {
	b.tokens = math.Min(b.burst, b.tokens+float64(now.Sub(b.counted))/float64(b.interval))
	b.counted = now
}

// left is how many requests may be sent at once.
func (b *budget) left() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case b.refusal != "" && (b.probing || b.until.After(now)):
		return 0
	case b.refusal != "":
		return 1
	case b.interval == 0:
		return math.Inf(1)
	}
	b.refill(now)
	return b.tokens
}
