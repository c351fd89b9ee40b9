package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// state is where the positions and dead letters of lanes are, and who runs them.
type state interface {
	pipeline.Positions
	pipeline.Forgetter
	pipeline.DeadLetters
	confirm(lane string) func(context.Context) error                    // before the lane is taken; nil: nobody asks
	patience(shutdown time.Duration) time.Duration                      // for a Publish under way when a lane is to end
	ended(lane string)                                                  // called each time a lane ended
	run(ctx context.Context, lanes *pipeline.Set, names []string) error // those that this instance is to run
	tell(*admin.Deps)                                                   // what the admin server is to know
	close() error
}

func openState(cfg *config.Config, log zerolog.Logger) (state, error) {
	if shared, ok := cfg.State.Shared.(*checkpoint.TopicSettings); ok {
		return newReplica(*shared, log), nil
	}
	return openFiles(cfg, log)
}

// files are the state of an instance that runs all lanes.
type files struct {
	*checkpoint.Dir
	letters *deadletter.Store
	cfg     *config.Config
	before  []string // lanes that had a checkpoint when the directory was opened
}

func openFiles(cfg *config.Config, log zerolog.Logger) (*files, error) {
	dir, err := checkpoint.Open(cfg.State.Dir)
	if err != nil {
		return nil, err
	}
	letters, err := deadletter.Open(cfg.DeadLetters.Dir, cfg.DeadLetters.MaxBytes)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	for _, warning := range []string{dir.Warning(), letters.Warning()} {
		if warning != "" {
			log.Warn().Msg(warning)
		}
	}
	saved, err := checkpoint.List(cfg.State.Dir)
	if err != nil {
		return nil, errors.Join(err, letters.Close(), dir.Close())
	}
	opened := &files{Dir: dir, letters: letters, cfg: cfg}
	for _, s := range saved {
		opened.before = append(opened.before, s.Lane)
	}
	logFormer(formerIn(cfg, saved), cfg, log)
	return opened, nil
}

func (f *files) Put(ctx context.Context, lane string, rejects []sink.Reject) error {
	return f.letters.Put(ctx, lane, rejects)
}

func (f *files) confirm(string) func(context.Context) error { return nil }

func (f *files) patience(shutdown time.Duration) time.Duration { return shutdown }

func (f *files) ended(string) {}

// run runs all lanes.
func (f *files) run(ctx context.Context, lanes *pipeline.Set, names []string) error {
	for _, name := range names {
		lanes.Start(ctx, name)
	}
	return lanes.Wait()
}

func runAll(ctx context.Context, lanes []*pipeline.Lane) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range lanes {
		group.Go(func() error { return l.Run(ctx) })
	}
	return group.Wait()
}

func (f *files) tell(deps *admin.Deps) { deps.DeadLetters = f.letters }

func (f *files) close() error { return errors.Join(f.letters.Close(), f.Dir.Close()) }

// replica is the state of one of several instances, which share the lanes.
type replica struct {
	*checkpoint.Topic
	group *ownership.Ownership
	log   zerolog.Logger

	mu    sync.Mutex
	owned map[int32]*ownership.Partition
	err   error // why the group was not joined yet
}

func newReplica(s checkpoint.TopicSettings, log zerolog.Logger) *replica {
	r := &replica{log: log, owned: make(map[int32]*ownership.Partition), group: newGroup(s, log)}
	r.Topic = checkpoint.NewTopic(s, r.confirm, log)
	return r
}

func newGroup(s checkpoint.TopicSettings, log zerolog.Logger) *ownership.Ownership {
	return ownership.New(groupSettings(&s), log)
}

func groupSettings(s *checkpoint.TopicSettings) ownership.Settings {
	return ownership.Settings{Cluster: &s.Cluster, Group: s.Group, Topic: s.Positions, InstanceID: s.InstanceID}
}

// partitionOf is that of a lane's source, since one process is to hold what the
// lanes of a source share.
func partitionOf(lane string) int32 {
	source, _, _ := strings.Cut(lane, "/")
	return ledger.Partition(source)
}

// confirmTimeout bounds what is asked of the group before a lane is taken.
const confirmTimeout = 10 * time.Second

func (r *replica) confirm(lane string) func(context.Context) error {
	number := partitionOf(lane)
	return func(ctx context.Context) error {
		r.mu.Lock()
		p := r.owned[number]
		r.mu.Unlock()
		if p == nil {
			return fmt.Errorf("partition %d: %w", number, ownership.ErrNotOwner)
		}
		ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
		defer cancel()
		return p.Confirm(ctx)
	}
}

// patience is short: the group waits for a lane that moves, and one whose session
// ends has 3 s, of which a Publish has one to return after it was told to.
func (r *replica) patience(shutdown time.Duration) time.Duration {
	return min(shutdown, 2*time.Second)
}

// run joins the group, and runs lanes for as long as their partition is owned.
func (r *replica) run(ctx context.Context, lanes *pipeline.Set, names []string) error {
	if err := r.prepare(ctx); err != nil {
		return nil // It is that of ctx.
	}
	err := r.group.Run(ctx, func(ctx context.Context, p *ownership.Partition) error {
		r.own(p.Number, p)
		defer r.own(p.Number, nil)
		for _, name := range names {
			if partitionOf(name) == p.Number {
				lanes.Start(ctx, name)
				defer lanes.End(name)
			}
		}
		<-ctx.Done()
		return nil
	})
	return errors.Join(err, lanes.Wait())
}

// prepare sees to the topics, for as long as it takes.
func (r *replica) prepare(ctx context.Context) error {
	again := backoff.NewExponentialBackOff(backoff.WithMaxElapsedTime(0))
	told := ""
	err := backoff.RetryNotify(func() error {
		err := r.Prepare(ctx)
		r.trouble(err)
		return err
	}, backoff.WithContext(again, ctx), func(err error, _ time.Duration) {
		if err.Error() != told {
			told = err.Error()
			r.log.Error().Err(err).Str("hint", hintOf(err)).Msg("the topics that replicas share are not ready")
		}
	})
	if err != nil {
		return err
	}
	r.trouble(nil)
	return nil
}

func (r *replica) ended(lane string) { r.Drop(lane) }

func (r *replica) own(number int32, p *ownership.Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owned[number] = p
}

func (r *replica) trouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// tell says which lanes other replicas run.
func (r *replica) tell(deps *admin.Deps) {
	all := deps.Lanes
	deps.Lanes = func() []pipeline.Status {
		owned := r.group.State().Owned
		lanes := all()
		for i := range lanes {
			lanes[i].Elsewhere = !slices.Contains(owned, partitionOf(lanes[i].Lane))
		}
		return lanes
	}
	deps.Group = func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.err != nil {
			return r.err
		}
		return r.group.State().Err
	}
}

func (r *replica) close() error {
	r.Topic.Close()
	return nil
}
