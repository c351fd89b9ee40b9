package planetscale

import (
	"context"
	"sync"
	"time"
)

// shared lets the lanes of a source share requests in flight, and polls. A
// request runs under the source's context, not its first caller's, so that a
// lane that stops takes nothing from the others. Nothing is kept over time: a
// page kept would lack the events that became visible late.
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

// start requests the page behind cursor, or joins such a request under way.
func (s *shared) start(cursor string, u urgency) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[cursor]; f != nil {
		return f
	}
	return s.launch(s.flights, cursor, func() (*page, error) { return s.list(s.ctx, cursor, u) })
}

func (s *shared) page(ctx context.Context, cursor string, u urgency) (*page, error) {
	return s.start(cursor, u).wait(ctx)
}

// poll waits for the next poll behind cursor, which starts one interval after
// the last. Lanes that wait for it share it.
func (s *shared) poll(ctx context.Context, cursor string) (*page, error) {
	s.mu.Lock()
	f := s.polls[cursor]
	if f == nil {
		due := s.lastPoll.Add(s.interval)
		f = s.launch(s.polls, cursor, func() (*page, error) { return s.pollAt(due, cursor) })
	}
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

// launch starts a flight that is listed while it is under way. The caller holds
// the lock.
func (s *shared) launch(in map[string]*flight, cursor string, run func() (*page, error)) *flight {
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
