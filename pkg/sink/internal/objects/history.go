package objects

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/objectlog"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// traces looks for what earlier runs of the lane left: objects that its log counts, or the
// mark that it delivered, which is there without the log, too.
func (b *bucket) traces(ctx context.Context, log *objectlog.Log) (sink.Traces, error) {
	entry, err := log.Look(ctx)
	if err != nil {
		return sink.Traces{}, err
	}
	if entry.Objects > 0 {
		return sink.Traces{Found: fmt.Sprintf("%s holds %d objects of the lane", b.of.Store, entry.Objects), Proof: true}, nil
	}
	_, err = b.of.Store.Head(ctx, b.markKey())
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return sink.Traces{}, nil
	case err != nil:
		return sink.Traces{}, err
	}
	return sink.Traces{Found: fmt.Sprintf("%s holds objects of the lane", b.of.Store), Proof: true}, nil
}
