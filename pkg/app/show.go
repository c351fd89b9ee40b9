package app

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// show is output that somebody watches. It is over when they stop reading, or
// after a number of records; a lane by itself would try again for ever.
type show struct {
	most  int64 // records; 0 is no limit
	done  func()
	shown atomic.Int64
}

// on returns the type of a sink that shows.
func (s *show) on(screen sink.Type) sink.Type {
	open := screen.Open
	screen.Open = func(ctx context.Context, env sink.Env, settings any) (sink.Sink, error) {
		opened, err := open(ctx, env, settings)
		return shown{opened, s}, err
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
