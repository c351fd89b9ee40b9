package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// state stores the positions and dead letters of lanes, and decides which lanes this
// instance runs.
type state interface {
	pipeline.Positions
	pipeline.Forgetter
	pipeline.DeadLetters
	confirm(lane string) func(context.Context) error                              // called before a lane is taken; nil: every lane is this instance's
	patience(shutdown time.Duration) time.Duration                                // how long a Publish under way may take when its lane ends
	ended(lane string)                                                            // called each time a lane has ended
	run(ctx context.Context, lanes *pipeline.Set) error                           // runs the lanes of this instance
	start(lanes *pipeline.Set, lane string)                                       // starts a lane that was put while run runs the others, if it is this instance's
	look(ctx context.Context, lane string) (source.Position, error)               // the position of a lane that may be another's; takes no lane
	paused(ctx context.Context, lane string, running bool) (*pause.Marker, error) // as pipeline.Member says
	fillAdmin(*admin.Deps)                                                        // sets what the admin server shows of the state
	close() error
}

func openState(cfg *config.Config, log zerolog.Logger) (state, error) {
	if shared := sharedOf(cfg); shared != nil {
		return newReplica(shared, log), nil
	}
	return openFiles(cfg)
}

// files is the state of an instance that runs all lanes: two directories.
type files struct {
	*checkpoint.Dir
	letters *deadletter.Store
	cfg     *config.Config
	before  []string // lanes that had a checkpoint when the directory was opened

	running atomic.Pointer[context.Context] // of run; nil before
}

func openFiles(cfg *config.Config) (*files, error) {
	dir, err := checkpoint.Open(cfg.State.Dir)
	if err != nil {
		return nil, err
	}
	letters, err := deadletter.Open(cfg.DeadLetters.Dir, cfg.DeadLetters.MaxBytes)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	saved, err := checkpoint.List(cfg.State.Dir)
	if err != nil {
		return nil, errors.Join(err, letters.Close(), dir.Close())
	}
	opened := &files{Dir: dir, letters: letters, cfg: cfg}
	for _, s := range saved {
		opened.before = append(opened.before, s.Lane)
	}
	return opened, nil
}

func (f *files) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	return f.letters.Put(ctx, lane, rejects)
}

func (f *files) confirm(string) func(context.Context) error { return nil }

func (f *files) look(ctx context.Context, lane string) (source.Position, error) {
	return f.Load(ctx, lane)
}

func (f *files) paused(ctx context.Context, lane string, _ bool) (*pause.Marker, error) {
	return pause.Dir(f.cfg.State.Dir).Look(ctx, lane)
}

func (f *files) patience(shutdown time.Duration) time.Duration { return shutdown }

func (f *files) ended(string) {}

// run starts the lanes of the set, and lets start do so with those that come later: no lane
// is overlooked that is put in between.
func (f *files) run(ctx context.Context, lanes *pipeline.Set) error {
	f.running.Store(&ctx)
	return lanes.Run(ctx)
}

func (f *files) start(lanes *pipeline.Set, lane string) {
	if ctx := f.running.Load(); ctx != nil {
		lanes.Start(*ctx, lane)
	}
}

func (f *files) fillAdmin(deps *admin.Deps) { deps.DeadLetters = f.letters }

func (f *files) close() error { return errors.Join(f.letters.Close(), f.Dir.Close()) }
