package app

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// works builds the lanes of a configuration, each when it is started. A source, a
// database or a sink that cannot be opened is the trouble of the lanes that need it,
// and is tried again with them.
type works struct {
	ctx   context.Context // of the process: a source outlives the lane that opened it
	cfg   *config.Config
	state state
	once  bool
	log   zerolog.Logger
	stock prepare.Stock

	mu     sync.Mutex
	opened sources
	built  []*pipeline.Lane
}

func newWorks(ctx context.Context, cfg *config.Config, kept state, log zerolog.Logger) *works {
	return &works{ctx: ctx, cfg: cfg, state: kept, log: log, opened: sources{}}
}

// lanes are those of the configuration, none of which runs, and their names.
func (w *works) lanes() (set *pipeline.Set, names []string) {
	set = &pipeline.Set{Once: w.once, Log: w.log}
	for _, l := range w.cfg.Lanes() {
		set.Put(pipeline.Member{
			Lane: l.Name, Source: l.Source.Name, Sink: l.Sink.Name, Format: l.Sink.Format.Name,
			Build: func(ctx context.Context) (*pipeline.Lane, error) { return w.build(ctx, l) },
			Ended: func() { w.state.ended(l.Name) },
		})
		names = append(names, l.Name)
	}
	return set, names
}

func (w *works) build(ctx context.Context, l config.Lane) (*pipeline.Lane, error) {
	src, err := w.source(l.Source)
	if err != nil {
		return nil, err
	}
	lane, err := newLane(ctx, l, src, w.state.confirm(l.Name), &w.stock, w.log)
	if err != nil {
		return nil, err
	}
	lane.Config = quoted(w.cfg.Path)
	lane.Positions, lane.DeadLetters = w.state, w.state
	lane.Once, lane.ShutdownTimeout = w.once, w.state.patience(w.cfg.ShutdownTimeout)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.built = append(w.built, lane)
	boundMemory(w.cfg, w.built, &w.stock)
	return lane, nil
}

// source opens a source, once for all its lanes.
func (w *works) source(s config.Source) (source.Source, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if src := w.opened[s.Name]; src != nil {
		return src, nil
	}
	src, err := openSource(w.ctx, s, w.log)
	if err != nil {
		return nil, err
	}
	w.opened[s.Name] = src
	return src, nil
}

func (w *works) usage() map[string]source.Usage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened.usage()
}

// close closes the sources. No lane runs any more.
func (w *works) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened.close()
}
