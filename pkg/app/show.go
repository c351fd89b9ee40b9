package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// show is output that somebody watches. It is over when they stop reading, after a
// number of records, or if there is no output; a lane by itself would try again for
// ever.
type show struct {
	most  int64 // records; 0 is no limit
	done  func()
	shown atomic.Int64

	mu     sync.Mutex
	failed error // why there is no output
}

// err is why nothing can be shown.
func (s *show) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *show) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err // That of one lane is that of all.
	s.done()
}

// on returns the type of a sink that shows.
func (s *show) on(screen sink.Type) sink.Type {
	open := screen.Open
	screen.Open = func(ctx context.Context, env sink.Env, settings any) (sink.Sink, error) {
		opened, err := open(ctx, env, settings)
		if err != nil {
			s.fail(err)
			return nil, err
		}
		return shown{opened, s}, nil
	}
	return screen
}

type shown struct {
	sink.Sink
	show *show
}

func (s shown) Publish(ctx context.Context, batch []sink.Record) error {
	left := s.show.most - s.show.shown.Load()
	if s.show.most > 0 && int64(len(batch)) > left {
		batch = batch[:left]
	}
	err := s.Sink.Publish(ctx, batch)
	if err == nil && s.show.shown.Add(int64(len(batch))) == s.show.most || errors.Is(err, syscall.EPIPE) {
		s.show.done()
	}
	return err
}
