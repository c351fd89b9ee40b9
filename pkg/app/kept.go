package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// A position is where the lane keeps it: in its sink, where that is a Ledger, and
// else in the state.

// openLedger opens the lane's sink if it keeps the position; nil if it does not.
func openLedger(ctx context.Context, l config.Lane, log zerolog.Logger) (sink.Ledger, error) {
	opened, err := l.Sink.Type.Open(ctx, sinkEnv(l, log), l.Sink.Settings)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", l.Sink.Name, err)
	}
	if ledger, ok := opened.(sink.Ledger); ok {
		return ledger, nil
	}
	return nil, opened.Close()
}

// lookout reads positions, and takes nothing.
type lookout struct {
	saved  []checkpoint.Checkpoint // in the state directory
	topic  *checkpoint.Topic       // nil: the state is a directory
	name   string                  // of the topic
	owners map[int32]ownership.Owner
}

// lookTimeout bounds what is asked of Kafka for one lane.
const lookTimeout = 30 * time.Second

func lookUp(ctx context.Context, cfg *config.Config) (*lookout, error) {
	shared, ok := cfg.State.Shared.(*checkpoint.TopicSettings)
	if !ok {
		saved, err := checkpoint.List(cfg.State.Dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // It is created by the first run.
			return nil, err
		}
		return &lookout{saved: saved}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	owners, err := ownership.Owners(ctx, groupSettings(shared), zerolog.Nop())
	if err != nil {
		return nil, err
	}
	return &lookout{topic: checkpoint.NewTopic(*shared, nobodyAsks, zerolog.Nop()), name: shared.Positions, owners: owners}, nil
}

// nobodyAsks is for taking lanes that are run elsewhere.
func nobodyAsks(string) func(context.Context) error { return nil }

func (o *lookout) close() error {
	if o.topic != nil {
		o.topic.Close()
	}
	return nil
}

// look is the position of a lane, and where it is kept.
func (o *lookout) look(ctx context.Context, l config.Lane) checkpoint.Checkpoint {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	found := checkpoint.Checkpoint{Lane: l.Name, Path: "sink " + l.Sink.Name}
	ledger, err := openLedger(ctx, l, zerolog.Nop())
	if ledger != nil {
		found.Position, found.Saved, err = ledger.Look(ctx)
		err = errors.Join(err, ledger.Close())
	}
	if found.Err = err; found.Position != nil || err != nil {
		return found
	}
	if o.topic != nil {
		found.Path = "topic " + o.name
		found.Position, found.Saved, found.Err = o.topic.Look(ctx, l.Name)
		return found
	}
	if i := slices.IndexFunc(o.saved, func(s checkpoint.Checkpoint) bool { return s.Lane == l.Name }); i >= 0 {
		return o.saved[i]
	}
	return checkpoint.Checkpoint{Lane: l.Name}
}

// owner is the replica that runs a lane.
func (o *lookout) owner(l config.Lane) string {
	owner, ok := o.owners[partitionOf(l.Name)]
	if !ok {
		return "-"
	}
	return cmp.Or(owner.InstanceID, owner.MemberID) + owner.Host
}

// setter sets positions where they are kept.
type setter struct {
	cfg   *config.Config
	log   zerolog.Logger
	dir   *checkpoint.Dir // nil until one is set there, since it is then held
	topic *checkpoint.Topic
}

func (s *setter) set(ctx context.Context, l config.Lane, pos source.Position) error {
	opened, err := l.Sink.Type.Open(ctx, sinkEnv(l, s.log), l.Sink.Settings)
	if err != nil {
		return fmt.Errorf("sink %s: %w", l.Sink.Name, err)
	}
	return errors.Join(s.setBeside(ctx, opened, l, pos), opened.Close())
}

func (s *setter) setBeside(ctx context.Context, opened sink.Sink, l config.Lane, pos source.Position) (err error) {
	switch kept := opened.(type) {
	case sink.Ledger:
		return kept.Set(ctx, pos)
	case sink.Releaser:
		// One that it kept earlier would be carried over at the next start.
		if err := kept.Release(ctx, func([]byte) error { return nil }); err != nil {
			return err
		}
	}
	if shared, ok := s.cfg.State.Shared.(*checkpoint.TopicSettings); ok {
		if s.topic == nil {
			s.topic = checkpoint.NewTopic(*shared, nobodyAsks, s.log)
		}
		return s.topic.Set(ctx, l.Name, pos)
	}
	if s.dir == nil {
		if s.dir, err = checkpoint.Open(s.cfg.State.Dir); err != nil {
			return err
		}
	}
	return s.dir.Save(ctx, l.Name, pos)
}

func (s *setter) close() error {
	if s.topic != nil {
		s.topic.Close()
	}
	if s.dir != nil {
		return s.dir.Close()
	}
	return nil
}
