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

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// replica is the state of one of several instances that share the lanes.
type replica struct {
	*checkpoint.Topic
	group  *ownership.Ownership
	pauses *pause.Topic
	log    zerolog.Logger

	mu      sync.Mutex
	owned   map[int32]*ownership.Partition
	running map[int32]context.Context // of the lanes of a partition, while they may start
	err     error                     // why the group is not joined yet
}

func newReplica(s checkpoint.TopicSettings, log zerolog.Logger) *replica {
	r := &replica{log: log, owned: make(map[int32]*ownership.Partition), running: make(map[int32]context.Context), group: newGroup(s, log)}
	r.Topic = checkpoint.NewTopic(s, r.confirm, log)
	r.pauses = newPauses(&s, log)
	return r
}

func newGroup(s checkpoint.TopicSettings, log zerolog.Logger) *ownership.Ownership {
	return ownership.New(groupSettings(&s), log)
}

func groupSettings(s *checkpoint.TopicSettings) ownership.Settings {
	return ownership.Settings{Cluster: &s.Cluster, Group: s.Group, Topic: s.Positions, InstanceID: s.InstanceID}
}

// partitionOf returns the partition of a lane's source. So the lanes of a source run
// in one process, which holds what they share.
func partitionOf(lane string) int32 {
	source, _, _ := strings.Cut(lane, "/")
	return ledger.Partition(source)
}

// confirmTimeout bounds the request to the group before a lane is taken.
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

// patience is short, since the group waits for a lane that moves. A lane whose session
// ends has 3 s. One of them is for a Publish to return after its context ended.
func (r *replica) patience(shutdown time.Duration) time.Duration {
	return min(shutdown, 2*time.Second)
}

// run joins the group, and runs each lane while this instance owns its partition.
func (r *replica) run(ctx context.Context, lanes *pipeline.Set) error {
	if err := r.prepare(ctx); err != nil {
		return nil // ctx ended.
	}
	err := r.group.Run(ctx, func(ctx context.Context, p *ownership.Partition) error {
		r.own(p.Number, p)
		defer r.own(p.Number, nil)
		r.open(p.Number, ctx)
		for _, name := range lanesOf(p.Number, lanes) {
			lanes.Start(ctx, name)
		}
		<-ctx.Done()
		r.open(p.Number, nil)
		for _, name := range lanesOf(p.Number, lanes) {
			lanes.End(name)
		}
		return nil
	})
	return errors.Join(err, lanes.Wait())
}

// lanesOf returns the lanes of a partition that are in the set.
func lanesOf(partition int32, lanes *pipeline.Set) (names []string) {
	for _, name := range lanes.Names() {
		if partitionOf(name) == partition {
			names = append(names, name)
		}
	}
	return names
}

// open lets start start lanes of a partition until it is called with nil. All that started
// by then are in the set.
func (r *replica) open(partition int32, ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[partition] = ctx
}

func (r *replica) start(lanes *pipeline.Set, lane string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx := r.running[partitionOf(lane)]; ctx != nil {
		lanes.Start(ctx, lane)
	}
}

// prepare creates or verifies the topics. It retries until it succeeds or ctx ends.
func (r *replica) prepare(ctx context.Context) error {
	again := backoff.NewExponentialBackOff(backoff.WithMaxElapsedTime(0))
	logged := ""
	err := backoff.RetryNotify(func() error {
		err := r.Prepare(ctx)
		if err == nil {
			err = r.pauses.Prepare(ctx)
		}
		r.trouble(err)
		return err
	}, backoff.WithContext(again, ctx), func(err error, _ time.Duration) {
		if err.Error() != logged {
			logged = err.Error()
			r.log.Error().Err(err).Str("hint", failure.Hint(err)).Msg("the topics that replicas share are not ready")
		}
	})
	if err != nil {
		return err
	}
	r.trouble(nil)
	return nil
}

func (r *replica) look(ctx context.Context, lane string) (source.Position, error) {
	pos, _, err := r.Look(ctx, lane)
	return pos, err
}

// pauseAge is how old what is known of a lane's pause may be while it runs.
const pauseAge = 900 * time.Millisecond

func (r *replica) paused(ctx context.Context, lane string, running bool) (*pause.Marker, error) {
	at := time.Now()
	if running {
		at = at.Add(-pauseAge)
	}
	return r.pauses.Known(ctx, lane, at)
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

// fillAdmin marks the lanes that other replicas run.
func (r *replica) fillAdmin(deps *admin.Deps) {
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
	r.pauses.Close()
	return nil
}
