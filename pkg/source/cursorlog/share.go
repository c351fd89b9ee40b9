package cursorlog

import (
	"context"
	"sync"
	"time"
)

// shared lets the lanes of a source share polls and requests in flight. A request runs
// under the source's context, not under its first caller's: a lane that stops does not
// end the requests of others. No page is cached, since a cached page lacks the events
// that became visible later.
type shared struct {
	ctx      context.Context
	list     func(ctx context.Context, cursor string, u urgency) (*page, error)
	interval time.Duration

	mu       sync.Mutex
	running  sync.WaitGroup
	flights  map[string]*flight
	polls    map[string]*flight
	lastPoll time.Time // start of the last poll that succeeded
}

type flight struct {
	done chan struct{}
	page *page
	err  error
}

func (f *flight) wait(ctx context.Context) (*page, error) {
	select {
	case <-f.done:
		return f.page, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// start requests the page behind cursor, or joins such a request in flight.
func (s *shared) start(cursor string, u urgency) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.join(s.flights, cursor, func() (*page, error) { return s.list(s.ctx, cursor, u) })
}

func (s *shared) page(ctx context.Context, cursor string, u urgency) (*page, error) {
	return s.start(cursor, u).wait(ctx)
}

// poll waits for the next poll behind cursor, which starts one interval after the last
// one. Lanes that wait for the same poll share it.
func (s *shared) poll(ctx context.Context, cursor string) (*page, error) {
	s.mu.Lock()
	due := s.lastPoll.Add(s.interval)
	f := s.join(s.polls, cursor, func() (*page, error) { return s.pollAt(due, cursor) })
	s.mu.Unlock()
	return f.wait(ctx)
}

// pollNow polls at once behind cursor, or joins such a request in flight. It is for a
// lane that has returned nothing yet: its events may have waited long enough.
func (s *shared) pollNow(ctx context.Context, cursor string) (*page, error) {
	s.mu.Lock()
	f := s.join(s.flights, cursor, func() (*page, error) { return s.pollAt(time.Now(), cursor) })
	s.mu.Unlock()
	return f.wait(ctx)
}

func (s *shared) pollAt(due time.Time, cursor string) (*page, error) {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
	start := time.Now()
	p, err := s.list(s.ctx, cursor, poll)
	if err == nil {
		s.mu.Lock()
		s.lastPoll = start
		s.mu.Unlock()
	}
	return p, err
}

// join returns the flight behind cursor in the map, or starts one, which stands there
// until it ends. The caller holds the lock.
func (s *shared) join(in map[string]*flight, cursor string, run func() (*page, error)) *flight {
	if f := in[cursor]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	in[cursor] = f
	s.running.Go(func() {
		f.page, f.err = run()
		s.mu.Lock()
		delete(in, cursor)
		s.mu.Unlock()
		close(f.done)
	})
	return f
}
