package planetscale

import (
	"context"
	"math"
	"sync"
	"time"
)

// budget is a token bucket of requests, shared by everything that uses one
// credential. Polls go before the pages of a catch-up, since a poll is one
// request and shows whether anything waits at all; but polls that use up the
// budget leave every fifth request to a catch-up.
//
// Of the API's 600 requests in any 60 s, a rate of 500 a minute and a burst of
// 10 leave room for another client of the same credential.
type budget struct {
	interval time.Duration // between tokens; 0 is no limit
	burst    float64

	mu      sync.Mutex
	tokens  float64
	counted time.Time // when tokens was true
	until   time.Time // a 429 asked for patience until then
	waiting [2][]chan struct{}
	polls   int // served since the last page of a catch-up
	timer   *time.Timer
}

const maxBurst = 10

func newBudget(perMinute int) *budget {
	if perMinute <= 0 {
		return &budget{}
	}
	burst := math.Min(maxBurst, math.Max(1, float64(perMinute)/60))
	return &budget{interval: time.Minute / time.Duration(perMinute), burst: burst, tokens: burst, counted: time.Now()}
}

// urgency orders the requests that wait.
type urgency int

const (
	poll urgency = iota
	catchUp
)

// take waits for a request's token.
func (b *budget) take(ctx context.Context, u urgency) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	granted := make(chan struct{})
	b.mu.Lock()
	b.waiting[u] = append(b.waiting[u], granted)
	b.serve()
	b.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
		b.abandon(u, granted)
		return ctx.Err()
	}
}

// abandon leaves the queue; a token granted meanwhile goes back.
func (b *budget) abandon(u urgency, granted chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, c := range b.waiting[u] {
		if c == granted {
			b.waiting[u] = append(b.waiting[u][:i:i], b.waiting[u][i+1:]...)
			return
		}
	}
	if b.interval > 0 {
		b.tokens++
	}
	b.serve()
}

// pause keeps all requests back until the time a 429 asked for.
func (b *budget) pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := time.Now().Add(d); t.After(b.until) {
		b.until = t
	}
}

// serve grants what can be granted now and sets the timer for the rest. The
// caller holds the lock.
func (b *budget) serve() {
	now := time.Now()
	for queue := b.queue(); queue != nil; queue = b.queue() {
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
		close((*queue)[0])
		*queue = (*queue)[1:]
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
func (b *budget) queue() *[]chan struct{} {
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
	if b.interval == 0 {
		return math.Inf(1)
	}
	now := time.Now()
	if b.until.After(now) {
		return 0
	}
	b.refill(now)
	return b.tokens
}
