package app

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// timeRange is a range of a log: from one time on, up to and without another.
type timeRange struct{ from, to time.Time }

func (r timeRange) holds(t time.Time) bool { return !t.Before(r.from) && t.Before(r.to) }

// rangeSource is a source whose readers return only the events of a range, marked as
// replayed.
type rangeSource struct {
	source.Source
	timeRange

	// gone is called if the log has lost events of the range, with the time of the oldest
	// event that it has.
	gone func(oldest time.Time)
}

func (s *rangeSource) Open(pos source.Position, env source.Env) (source.Reader, error) {
	env.Log = zerolog.Nop() // What a reader tells is about a lane.
	reader, err := s.Source.Open(pos, env)
	if err != nil {
		return nil, err
	}
	return &rangeReader{reader, s}, nil
}

type rangeReader struct {
	source.Reader
	source *rangeSource
}

func (r *rangeReader) Next(ctx context.Context) (source.Page, error) {
	page, err := r.Reader.Next(ctx)
	kept := page.Events[:0]
	for i := range page.Events {
		e := &page.Events[i]
		switch {
		case e.Gap:
			r.source.gone(e.Time)
		case r.source.holds(e.Time):
			e.Replayed = true
			kept = append(kept, *e)
		}
	}
	page.Events = kept
	return page, err
}
