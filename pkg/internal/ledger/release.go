package ledger

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Release hands a position that the ledger keeps to another store: keep saves it, and
// after that the ledger has none. If there is none, Release does nothing. If it failed,
// it can be called again.
func (l *Ledger) Release(ctx context.Context, keep func(pos []byte) error) error {
	e, err := l.Look(ctx)
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		l.settings.Log.Warn().Err(err).Msg("the topic of positions may not be read; if delivery was exactly_once before, allow it, so that the position in it is found")
		return nil
	}
	if err != nil || e.Position == nil || e.Topic == "" {
		return err
	}
	pos, err := l.Take(ctx)
	if err != nil || pos == nil {
		return err
	}
	if err := keep(pos); err != nil {
		return err
	}
	// A state in the same topic, under the same key, has overwritten it by now.
	if e, err = l.Look(ctx); err != nil || e.Commit != l.knownCommit {
		return err
	}
	if err := l.commitAlone(ctx, func(e *Entry) { e.Released = true }); err != nil {
		return err
	}
	l.settings.Log.Info().Str("from", l.settings.Topic).Msg("position carried over from Kafka to the state, which keeps it from now on")
	return nil
}

// Holds reports whether the ledger keeps a position of the lane. A sink may keep its
// position in the same topic under the same key; that one does not count. Holds does
// not take the lane.
func (l *Ledger) Holds(ctx context.Context) (bool, error) {
	e, err := l.Look(ctx)
	return l.owns(e), err
}

// Forget commits that the ledger no longer keeps a position of the lane, since a sink
// keeps it now. It leaves alone a position that is not this ledger's. It can be called
// again.
func (l *Ledger) Forget(ctx context.Context) error {
	e, err := l.Look(ctx)
	if err != nil || !l.owns(e) {
		return err
	}
	if _, err := l.Take(ctx); err != nil {
		return err
	}
	// Another could have moved it before the lane was taken.
	if e, err = l.Look(ctx); err != nil || !l.owns(e) {
		return err
	}
	return l.commitAlone(ctx, func(e *Entry) { e.Released = true })
}

func (l *Ledger) owns(e Entry) bool { return e.Position != nil && e.Topic == l.settings.Topic }
