package cursorlog

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Budget is a token bucket of requests, shared by everything that uses one
// credential. Polls go first: a poll is one request, and it shows whether
// anything is new. If polls alone would use the whole budget, every fifth request
// still goes to a catch-up.
//
// Sources with different rates share the slowest of them. The default rate, 500 a
// minute with a burst of 10, keeps below a limit of 600 requests in any 60 s, and leaves
// some to another client of the same credential.
//
// A 429 pauses all requests. After the pause one request is sent as a probe, and the
// others wait for its answer. Another 429 starts another pause. Any other answer lets
// the others go.
type Budget struct {
	mu       sync.Mutex
	rates    []int         // requests a minute, of each source that shares the budget; 0 is no limit
	interval time.Duration // between tokens; 0 is no limit
	burst    float64
	tokens   float64
	counted  time.Time // when tokens was computed
	waiting  [2][]*grant
	polls    int // polls granted since the last request of a catch-up
	used     uint64
	timer    *time.Timer
	readers  int // readers that may wait at the same time

	refusal string    // the last 429, for people; empty once a probe has ended the pause
	until   time.Time // no request is sent before
	probing bool      // a probe is in flight
	resumed time.Time // when a probe last ended a pause
}

// grant is the permission for one request.
type grant struct {
	ready chan struct{} // closed when the request may be sent
	probe bool          // the request finds out whether a pause is over
}

const maxBurst = 10

// join adds a source with a rate of requests a minute; 0 is no limit. The returned
// function removes it.
func (b *Budget) join(perMinute int) (leave func()) {
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

// adjust sets the interval and burst of the slowest rate. The caller holds the lock.
func (b *Budget) adjust() {
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

// addReaders counts the readers that may wait for a request.
func (b *Budget) addReaders(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers += n
}

// urgency is the order of waiting requests.
type urgency int

const (
	poll urgency = iota
	catchUp
)

// acquire waits until a request may be sent. The caller calls answered when the request
// is over.
func (b *Budget) acquire(ctx context.Context, u urgency) (*grant, error) {
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

// abandon leaves the queue, and returns a token that was granted meanwhile.
func (b *Budget) abandon(u urgency, g *grant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting[u], g); i >= 0 {
		b.waiting[u] = slices.Delete(b.waiting[u], i, i+1)
		return
	}
	if b.interval > 0 {
		b.tokens++
	}
	b.used--
	b.probing = b.probing && !g.probe
	b.serve()
}

// pause holds all requests back for d, after an answer that asks for a pause. It returns
// a text that tells people so.
func (b *Budget) pause(answer string, d time.Duration) (refusal string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := time.Now().Add(d); t.After(b.until) {
		b.until = t
	}
	b.refusal = answer + ", no requests until " + b.until.UTC().Format(time.RFC3339)
	return b.refusal
}

// answered ends a request. ok means that it had an answer other than 429. That ends a
// pause if the request was the probe: a request sent before the pause proves nothing.
func (b *Budget) answered(g *grant, ok bool) {
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

// serve grants the requests that may be sent at once, and sets the timer for the others.
// The caller holds the lock.
func (b *Budget) serve() {
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
		b.used++
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

func (b *Budget) wake(after time.Duration) {
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

// queue is the queue to serve next; nil if no request waits.
func (b *Budget) queue() *[]*grant {
	polls, pages := &b.waiting[poll], &b.waiting[catchUp]
	switch {
	case len(*polls) > 0 && (len(*pages) == 0 || b.polls < pollsInARow):
		return polls
	case len(*pages) > 0:
		return pages
	}
	return nil
}

// shortage is the time until there is a token.
func (b *Budget) shortage(now time.Time) time.Duration {
	if b.interval == 0 {
		return 0
	}
	b.refill(now)
	if b.tokens >= 1 {
		return 0
	}
	// One nanosecond more: rounding must not wake the timer too early.
	return time.Duration((1-b.tokens)*float64(b.interval)) + 1
}

func (b *Budget) refill(now time.Time) {
	b.tokens = math.Min(b.burst, b.tokens+float64(now.Sub(b.counted))/float64(b.interval))
	b.counted = now
}

// left is how many requests may be sent now.
func (b *Budget) left() float64 {
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

// charge takes n requests from the budget that another process sent. It never takes more
// than a burst beyond what is there: what the other process sent long ago is made up for.
func (b *Budget) charge(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.interval > 0 {
		b.refill(time.Now())
		b.tokens = math.Max(b.tokens-float64(n), -b.burst)
	}
}

// behind is how long a request that goes behind those of another process waits before it
// looks again; 0 if the other process has enough left.
func (b *Budget) behind(left float64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left >= b.burst/2 {
		return 0
	}
	return b.interval
}

// total is how many requests the budget has granted.
func (b *Budget) total() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
