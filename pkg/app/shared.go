package app

import (
	"context"
	"iter"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// sharedState is what several replicas share: where positions, dead letters, pauses and the
// own log are, and who decides which replica runs which lanes. There is one for each type
// of state beside files. Nothing of it connects before it is used.
type sharedState interface {
	positions(confirm func(lane string) func(context.Context) error, log zerolog.Logger) sharedPositions
	pauses(log zerolog.Logger) *pause.Shared
	ownLog(log zerolog.Logger) sharedOwnLog
	assignment(log zerolog.Logger) assignment

	where() string                                         // the positions are
	letters() string                                       // where dead letters are
	shareOf(source string) string                          // the share that a source belongs to
	owners(ctx context.Context) (map[string]string, error) // the replica that runs each share
	check(ctx context.Context) (string, error)             // whether replicas can find each other; changes nothing
}

// sharedOf returns the state that replicas of a configuration share; nil if it is files.
func sharedOf(cfg *config.Config) sharedState {
	switch s := cfg.State.Shared.(type) {
	case *checkpoint.TopicSettings:
		return inKafka{s}
	case *checkpoint.BucketSettings:
		return inBucket{s}
	}
	return nil
}

// sharedPositions stores positions and dead letters of lanes for all replicas. A lane that
// another replica took, or a person moved, gets sink.ErrMoved.
type sharedPositions interface {
	pipeline.Positions
	pipeline.Forgetter
	pipeline.DeadLetters

	// Traces looks for what earlier runs of the lane left.
	Traces(ctx context.Context, lane string) (sink.Traces, error)

	// Prepare creates what is missing, and refuses what is unfit. Check only looks whether
	// the position of a lane could be stored.
	Prepare(ctx context.Context) error
	Check(ctx context.Context, lane string) (string, error)

	// Look, Rejects and Lanes take no lane.
	Look(ctx context.Context, lane string) (source.Position, time.Time, error)
	Rejects(ctx context.Context, lane string) iter.Seq2[sink.Reject, error]
	Lanes(ctx context.Context) ([]checkpoint.Checkpoint, error)

	// Set and Rename take the lane from whoever runs it.
	Set(ctx context.Context, lane string, choose func(former []byte) ([]byte, error)) error
	Rename(ctx context.Context, from, to string) error

	// Redrive returns a redrive of a lane's dead letters. The caller closes it.
	Redrive(lane string) checkpoint.Redrive

	Drop(lane string) // lets go of a lane, which can be loaded again
	Close()
}

// sharedOwnLog is the own log of all replicas.
type sharedOwnLog interface {
	ownlog.Store
	Prepare(ctx context.Context) error         // creates it if it is missing, and refuses an unfit one
	Check(ctx context.Context) (string, error) // finds out what Prepare would return, and changes nothing
}

// share is a part of the sources that one replica runs at a time.
type share struct {
	name    string
	confirm func(context.Context) error // asks whether this replica still owns the share
}

// assignment gives each share of the sources to one replica.
type assignment interface {
	// Run takes part until ctx ends, and calls run for each share that this replica comes
	// to own. The context of run ends when the share is to be given up; run must return
	// within patience then. sources returns the sources of the lanes as they are now.
	Run(ctx context.Context, sources func() []string, run func(context.Context, share) error) error

	// State returns the shares that run is called for, and why the assignment does not
	// work; nil if it does.
	State() (owned []string, err error)

	patience() time.Duration
}

// confirmNothing asks nobody whether this process owns a lane.
func confirmNothing(string) func(context.Context) error { return nil }
