package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/internal/lease"
	"github.com/sluice-siem/sluice/pkg/pause"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// inBucket is state.type s3. A share is a source.
type inBucket struct{ *checkpoint.BucketSettings }

func (b inBucket) positions(confirm func(lane string) func(context.Context) error, log zerolog.Logger) sharedPositions {
	store := b.Open()
	return checkpoint.NewBucket(store, store.Close, confirm, log)
}

func (b inBucket) pauses(zerolog.Logger) *pause.Shared {
	store := b.Open()
	return pause.NewBucket(store, store.Close)
}

func (b inBucket) ownLog(zerolog.Logger) sharedOwnLog {
	store := b.Open()
	return ownlog.NewBucket(store, store.Close)
}

func (b inBucket) assignment(log zerolog.Logger) assignment {
	store := b.Open()
	for _, warning := range b.Store.Warnings() {
		log.Warn().Msg("state: " + warning)
	}
	s := b.Leases(store, fmt.Sprintf("%s/%d", hostname(), os.Getpid()))
	return leases{lease.New(s, log), s.Patience(), store.Close}
}

func (b inBucket) where() string { return b.Store.Destination() }

func (b inBucket) letters() string { return b.Store.Destination() }

func (b inBucket) shareOf(source string) string { return source }

func (b inBucket) owners(ctx context.Context) (map[string]string, error) {
	found, err := b.look(ctx)
	return found.Holders, err
}

func (b inBucket) check(ctx context.Context) (string, error) {
	found, err := b.look(ctx)
	return several(found.Recent, "replica") + " renewed leases lately", err
}

func (b inBucket) look(ctx context.Context) (lease.Replicas, error) {
	store := b.Open()
	defer store.Close()
	return lease.Look(ctx, b.Leases(store, ""))
}

// leases are the leases of sources as an assignment.
type leases struct {
	*lease.Leases
	most time.Duration
	end  func() // closes the store
}

func (l leases) Run(ctx context.Context, sources func() []string, run func(context.Context, share) error) error {
	defer l.end()
	return l.Leases.Run(ctx, sources, func(ctx context.Context, h *lease.Held) error {
		return run(ctx, share{h.Source, h.Confirm})
	})
}

func (l leases) State() (owned []string, err error) {
	s := l.Leases.State()
	return s.Held, s.Err
}

func (l leases) patience() time.Duration { return l.most }
