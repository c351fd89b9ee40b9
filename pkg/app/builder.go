package app

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// builder builds each lane of a configuration when the lane starts. If a source, a
// database or a sink cannot be opened, only the lanes that need it fail. They try again.
type builder struct {
	ctx   context.Context               // of the process, since a source outlives the lane that opened it
	cfg   *config.Config                // with which the process began: what no reload changes
	now   atomic.Pointer[config.Config] // the one that is in force
	state state
	own   *ownLog
	once  bool
	log   zerolog.Logger
	stock prepare.Stock

	auditing chan struct{}           // see pipeline.Audit.Alone
	say      func(ownlog.Event) bool // in the own log; nil: nobody listens
	activity *console.Activity       // of the events that the lanes read; nil: nobody looks on

	mu     sync.Mutex
	opened sources
	memory memoryLimit
}

func newBuilder(ctx context.Context, cfg *config.Config, store state, log zerolog.Logger) *builder {
	b := &builder{
		ctx: ctx, cfg: cfg, state: store, log: log, opened: sources{},
		memory: newMemoryLimit(memoryOf(cfg), len(cfg.Lanes())), auditing: make(chan struct{}, 1),
	}
	b.now.Store(cfg)
	return b
}

// remember lets the console remember the events of lanes that are built from then on.
func (b *builder) remember() *console.Activity {
	bytes := activityOf(b.memory.budget.Usage().Size)
	b.memory.reserve(bytes)
	b.activity = console.NewActivity(bytes)
	return b.activity
}

// lanes returns the lanes of the configuration. None of them runs yet.
func (b *builder) lanes() *pipeline.Set {
	set := &pipeline.Set{Once: b.once, Log: b.log}
	for _, l := range b.cfg.Lanes() {
		set.Put(b.member(l))
	}
	return set
}

func (b *builder) member(l config.Lane) pipeline.Member {
	return pipeline.Member{
		Lane: l.Name, Source: l.Source.Name, Sink: l.Sink.Name, Format: l.Sink.Format.Name,
		Build: func(ctx context.Context) (*pipeline.Lane, error) { return b.build(ctx, l) },
		Ended: func() { b.state.ended(l.Name) },
		Paused: func(ctx context.Context, running bool) (*pipeline.Pause, error) {
			m, err := b.state.paused(ctx, l.Name, running)
			return pauseOf(m), err
		},
		Describe: func(ctx context.Context) (source.Description, error) { return b.describe(ctx, l) },
	}
}

func (b *builder) build(ctx context.Context, l config.Lane) (*pipeline.Lane, error) {
	src, err := b.sourceOf(ctx, l)
	if err != nil {
		return nil, err
	}
	log, err := logWriter(l)
	if err != nil {
		return nil, err
	}
	lane, err := newLane(ctx, l, src, b.state.confirm(l.Name), &b.stock, b.log)
	if err != nil {
		return nil, err
	}
	if log != nil {
		log.Tell = func(n *evidence.Note, _ string) { b.sayOfLog(l, n) }
	}
	lane.Evidence = log
	if l.AuditEvery > 0 {
		lane.Audit = &pipeline.Audit{
			Every: l.AuditEvery, Keys: l.Source.Type.Product.Keys, Organization: organization(l.Source), Alone: b.auditing,
		}
	}
	lane.Config = quoted(b.cfg.Path)
	if b.activity != nil {
		lane.Observe = b.activity.Observer(l.Source.Name, l.Source.Catalogue)
	}
	lane.Memory = b.memory.budget.Share()
	lane.Positions, lane.DeadLetters = b.state, b.state
	lane.Once, lane.ShutdownTimeout = b.once, b.state.patience(b.cfg.ShutdownTimeout)
	b.mu.Lock()
	defer b.mu.Unlock()
	databases := int64(0)
	for _, d := range b.stock.Databases() {
		databases += d.Bytes()
	}
	b.memory.add(lane, l.Source.Settings, databases)
	return lane, nil
}

// sourceOf opens a source once for all its lanes.
func (b *builder) sourceOf(ctx context.Context, l config.Lane) (source.Source, error) {
	if b.cfg.IsOwn(l) {
		// To prepare it may take long, so other lanes must not wait for that.
		if err := b.own.prepare(ctx); err != nil {
			return nil, fmt.Errorf("own log: %w", err)
		}
	}
	return b.source(l.Source)
}

// describe describes the saved position of a lane that does not run.
func (b *builder) describe(ctx context.Context, l config.Lane) (source.Description, error) {
	src, err := b.sourceOf(ctx, l)
	if err != nil {
		return source.Description{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	saved, inSink := lookInSink(ctx, l)
	if !inSink {
		saved.Position, saved.Err = b.state.look(ctx, l.Name)
	}
	return describe(src, saved)
}

func (b *builder) source(s config.Source) (source.Source, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if src := b.opened[s.Name]; src != nil {
		return src, nil
	}
	if s.Name == b.cfg.Own.Name {
		b.opened[s.Name] = b.own.source()
		return b.opened[s.Name], nil
	}
	src, err := openSource(b.ctx, s, source.OpenEnv{Log: b.log})
	if err != nil {
		return nil, err
	}
	b.opened[s.Name] = src
	return src, nil
}

// release closes sources. It must be called after their last lanes ended. The next lane
// opens them anew.
func (b *builder) release(names []string) {
	closing := sources{}
	b.mu.Lock()
	for _, name := range names {
		if src := b.opened[name]; src != nil {
			closing[name] = src
			delete(b.opened, name)
		}
	}
	b.mu.Unlock()
	if err := closing.close(); err != nil {
		b.log.Warn().Err(err).Msg("closing a source failed")
	}
}

// resize counts lanes that ended no more, and makes room for so many more lanes.
func (b *builder) resize(ended []string, more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory.forget(ended)
	b.memory.reserveIdle(more)
}

// leaveRoom makes the memory limit at least what the process uses.
func (b *builder) leaveRoom(use memoryUse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory.leaveRoom(use)
}

func (b *builder) usage() map[string]source.Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened.usage()
}

// close closes the sources. It must be called after the last lane ended.
func (b *builder) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened.close()
}
