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
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// replica is the state of one of several instances that share the lanes.
type replica struct {
	sharedPositions
	shared sharedState
	group  assignment
	pauses *pause.Shared
	log    zerolog.Logger

	mu      sync.Mutex
	owned   map[string]share
	running map[string]context.Context // of the lanes of a share, while they may start
	err     error                      // why the replica does not take part yet
}

func newReplica(shared sharedState, log zerolog.Logger) *replica {
	r := &replica{
		shared: shared, group: shared.assignment(log), pauses: shared.pauses(log), log: log,
		owned: make(map[string]share), running: make(map[string]context.Context),
	}
	r.sharedPositions = shared.positions(r.confirm, log)
	return r
}

// sourceOf returns the name of a lane's source.
func sourceOf(lane string) string {
	source, _, _ := strings.Cut(lane, "/")
	return source
}

// shareOf returns the share of a lane, which is that of its source. So the lanes of a source
// run in one process, which holds what they share.
func (r *replica) shareOf(lane string) string { return r.shared.shareOf(sourceOf(lane)) }

// confirmTimeout bounds the request that confirms a lane before it is taken.
const confirmTimeout = 10 * time.Second

var errNotOwner = errors.New("this replica does not own the lane")

func (r *replica) confirm(lane string) func(context.Context) error {
	name := r.shareOf(lane)
	return func(ctx context.Context) error {
		r.mu.Lock()
		s, owned := r.owned[name]
		r.mu.Unlock()
		if !owned {
			return fmt.Errorf("lane %s: %w", lane, errNotOwner)
		}
		ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
		defer cancel()
		return s.confirm(ctx)
	}
}

func (r *replica) patience(shutdown time.Duration) time.Duration {
	return min(shutdown, r.group.patience())
}

// run takes part in the assignment, and runs each lane while this instance owns its share.
func (r *replica) run(ctx context.Context, lanes *pipeline.Set) error {
	if err := r.prepare(ctx); err != nil {
		return nil // ctx ended.
	}
	err := r.group.Run(ctx, func() []string { return sourcesIn(lanes) }, func(ctx context.Context, s share) error {
		r.own(s)
		defer r.disown(s)
		r.open(s.name, ctx)
		for _, name := range r.lanesOf(s.name, lanes) {
			lanes.Start(ctx, name)
		}
		<-ctx.Done()
		r.open(s.name, nil)
		for _, name := range r.lanesOf(s.name, lanes) {
			lanes.End(name)
		}
		return nil
	})
	return errors.Join(err, lanes.Wait())
}

// sourcesIn returns the sources of the lanes that are in the set.
func sourcesIn(lanes *pipeline.Set) (names []string) {
	for _, name := range lanes.Names() {
		names = append(names, sourceOf(name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lanesOf returns the lanes of a share that are in the set.
func (r *replica) lanesOf(share string, lanes *pipeline.Set) (names []string) {
	for _, name := range lanes.Names() {
		if r.shareOf(name) == share {
			names = append(names, name)
		}
	}
	return names
}

// open lets start start lanes of a share until it is called with nil. All that started by
// then are in the set.
func (r *replica) open(share string, ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[share] = ctx
}

func (r *replica) start(lanes *pipeline.Set, lane string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx := r.running[r.shareOf(lane)]; ctx != nil {
		lanes.Start(ctx, lane)
	}
}

// prepare creates or verifies what the replicas share. It retries until it succeeds or ctx ends.
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
			r.log.Error().Err(err).Str("hint", failure.Hint(err)).Msg("what the replicas share is not ready")
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

func (r *replica) paused(ctx context.Context, lane string, running bool) (*pause.Marker, error) {
	now := time.Now()
	m, err := r.pauses.Known(ctx, lane, now.Add(-r.pauses.Age()))
	if running || m != nil || err != nil {
		return m, err // A lane that is paused may wait that long after it was resumed.
	}
	return r.pauses.Known(ctx, lane, now)
}

func (r *replica) ended(lane string) { r.Drop(lane) }

func (r *replica) own(s share) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owned[s.name] = s
}

func (r *replica) disown(s share) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owned, s.name)
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
		owned, _ := r.group.State()
		lanes := all()
		for i := range lanes {
			lanes[i].Elsewhere = !slices.Contains(owned, r.shareOf(lanes[i].Lane))
		}
		return lanes
	}
	deps.Group = func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.err != nil {
			return r.err
		}
		_, err := r.group.State()
		return err
	}
}

func (r *replica) close() error {
	r.sharedPositions.Close()
	r.pauses.Close()
	return nil
}
