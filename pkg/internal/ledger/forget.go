package ledger

import "context"

// Holds says whether the ledger keeps a position of the lane. That of a sink that keeps
// it in the same topic, under the same key, is not this ledger's. It takes nothing.
func (l *Ledger) Holds(ctx context.Context) (bool, error) {
	e, err := l.Look(ctx)
	return l.owns(e), err
}

// Forget commits that the ledger keeps no position of the lane any more, since a
// sink keeps it. What is not this ledger's, it leaves alone. It can be called again.
func (l *Ledger) Forget(ctx context.Context) error {
	e, err := l.Look(ctx)
	if err != nil || !l.owns(e) {
		return err
	}
	if _, err := l.Take(ctx); err != nil {
		return err
	}
	// Until it was taken, another could move it.
	if e, err = l.Look(ctx); err != nil || !l.owns(e) {
		return err
	}
	return l.decree(ctx, func(e *Entry) { e.Released = true })
}

func (l *Ledger) owns(e Entry) bool { return e.Position != nil && e.Topic == l.settings.Topic }
