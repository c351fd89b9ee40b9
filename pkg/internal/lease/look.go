package lease

import (
	"context"
	"errors"
	"time"
)

// Replicas is what a command sees of the replicas. It takes no part.
type Replicas struct {
	Holders map[string]string // names of replicas by the sources that they held last
	Recent  int               // replicas that renewed within two leases, by the clock of this machine
}

// Look reads the board.
func Look(ctx context.Context, s Settings) (Replicas, error) {
	b := newBoard(s.Store, s.Root)
	found := Replicas{Holders: map[string]string{}}
	for info, err := range list(ctx, s.Store, s.Root+"/members/") {
		if err != nil {
			return found, err
		}
		if _, ok := b.idOf(info.Key); ok && time.Since(info.Modified) < 2*s.Lease {
			found.Recent++
		}
	}
	v, err := b.read(ctx, "")
	for errors.Is(err, errChanged) {
		v, err = b.read(ctx, "")
	}
	for source, lease := range v.leases {
		if _, there := v.members[lease.Holder]; there {
			found.Holders[source] = lease.Name
		}
	}
	return found, err
}
