package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// show is output for somebody who watches. It ends when they stop reading, after a
// number of records, or if the output cannot be opened. A lane alone would retry for
// ever.
type show struct {
	most  int64 // records; 0 is no limit
	done  func()
	shown atomic.Int64

	mu     sync.Mutex
	failed error // why there is no output
}

// err returns the reason why nothing can be shown.
func (s *show) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *show) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err // All lanes write to the same output.
	s.done()
}

// on returns the type of a sink that writes to screen as part of the show.
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

// set is the lanes of the show. When one ends, the show ends.
func (s *show) set(lanes ...*pipeline.Lane) *pipeline.Set {
	set := &pipeline.Set{}
	for _, l := range lanes {
		set.Put(pipeline.Member{
			Lane: l.Name, Source: l.SourceName, Sink: l.SinkName, Format: l.Format,
			Build: func(context.Context) (*pipeline.Lane, error) { return l, nil },
			Ended: s.done,
		})
	}
	return set
}

type shown struct {
	sink.Sink
	show *show
}

// Limits bounds a batch to what is shown, so that the lane counts no more records.
func (s shown) Limits() sink.Limits { return sink.Limits{Records: int(s.show.most)} }

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

// screenLane returns a lane to stdout that saves nothing. Its records are those that
// the sink of l gets.
func screenLane(l config.Lane, src source.Source, screen sink.Type, log zerolog.Logger) (*pipeline.Lane, error) {
	encoder, err := newTransformer(l, nil)
	if err != nil {
		return nil, err
	}
	return &pipeline.Lane{
		Name: l.Name, SourceName: l.Name, SinkName: "stdout", Format: l.Sink.Format.Name,
		Source: src, Transformer: encoder,
		Open: func(ctx context.Context) (sink.Sink, error) {
			return screen.Open(ctx, sink.Env{Lane: l.Name, Log: log}, screen.Settings())
		},
		Positions: &memoryPosition{}, DeadLetters: toLog{log},
		Log: log,
	}, nil
}

// memoryPosition holds the position of a lane that ends with the process.
type memoryPosition struct {
	mu  sync.Mutex
	pos source.Position
}

func (m *memoryPosition) Load(context.Context, string) (source.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pos, nil
}

func (m *memoryPosition) Save(_ context.Context, _ string, pos source.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pos = pos
	return nil
}

// toLog logs records that cannot be shown, since a screen has no dead letters.
type toLog struct{ log zerolog.Logger }

func (t toLog) Put(_ context.Context, lane string, rejects []sink.Reject) error {
	for _, r := range rejects {
		t.log.Warn().Str("lane", lane).Str("event", r.Record.ID).Str("reason", r.Reason).Msg("event cannot be shown")
	}
	return nil
}
