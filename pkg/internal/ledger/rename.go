package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// ErrNone says that a lane keeps no position in the topic.
var ErrNone = errors.New("keeps no position in the topic")

// Rename makes the position of another lane that of this one, which must have
// none. It can be called again if it failed in between.
//
// Both lanes are taken first, so that nobody commits for either. One transaction,
// under the former lane's id, then writes the position under the new name and a
// mark under the former name: at no moment both lanes have it, or neither. The mark
// stays in place of a tombstone. An instance that still runs the former lane finds
// it and stops; a tombstone would have it begin anew.
//
// An instance that runs the new lane may take it in between, and begin. The last
// step fences it and puts the position in place again; that instance finds it and
// goes on from there.
func (l *Ledger) Rename(ctx context.Context, from string) error {
	former := New(from, l.settings)
	defer former.Close()
	moved, err := l.moved(ctx, former)
	if err == nil && moved.Commit != "" {
		err = l.install(ctx, moved)
	}
	if err != nil {
		return fmt.Errorf("renaming lane %s to %s: %w", from, l.lane, err)
	}
	return nil
}

// moved gives the position of the former lane to this one. The entry is zero if
// that had been done.
func (l *Ledger) moved(ctx context.Context, former *Ledger) (Entry, error) {
	found, own, err := l.both(ctx, former)
	switch {
	case err != nil:
		return Entry{}, err
	case found.Renamed == l.lane && own.Position != nil:
		return Entry{}, nil
	case found.Position == nil:
		return Entry{}, fmt.Errorf("lane %s %w %s", former.lane, ErrNone, l.settings.Positions)
	case own.Position != nil:
		return Entry{}, sink.Hint(fmt.Errorf("lane %s has a position", l.lane), "to say where it is to go on: sluice checkpoint set -c FILE --to TIME "+l.lane)
	}
	now := time.Now().UTC()
	moved := Entry{Lane: l.lane, Topic: found.Topic, Commit: newCommit(), Saved: now, Set: true, Position: found.Position}
	mark := Entry{Lane: former.lane, Topic: found.Topic, Commit: newCommit(), Saved: now, Renamed: l.lane}
	return moved, former.exchange(ctx, l, moved, mark)
}

// both looks at both lanes before it takes them: a lane that runs is not fenced
// where nothing can be done.
func (l *Ledger) both(ctx context.Context, former *Ledger) (found, own Entry, err error) {
	found, settled, err := former.glimpse(ctx)
	if err != nil {
		return found, own, err
	}
	own, _, err = l.glimpse(ctx)
	if err != nil || own.Position != nil || settled && found.Position == nil {
		return found, own, err
	}
	if found, err = former.take(ctx); err != nil || found.Position == nil {
		return found, own, err
	}
	own, err = l.take(ctx)
	return found, own, err
}

// glimpse is Look, but that it waits for no transaction to end: while one is open
// in the partition, a newer entry may lie behind it, and nothing is settled.
func (l *Ledger) glimpse(ctx context.Context) (e Entry, settled bool, err error) {
	view, err := l.cluster.open()
	if err != nil {
		return Entry{}, false, err
	}
	defer view.close()
	end, err := view.end(ctx)
	if errors.Is(err, errNoTopic) {
		return Entry{}, true, nil
	}
	if err != nil {
		return Entry{}, false, err
	}
	stable, err := view.stable(ctx)
	if err != nil {
		return Entry{}, false, err
	}
	value, err := view.last(ctx, stable)
	if err != nil || value == nil {
		return Entry{}, stable >= end, err
	}
	e, err = decode(value, l.lane)
	return e, stable >= end, err
}

// exchange commits the entries of two lanes in one transaction of this one.
func (l *Ledger) exchange(ctx context.Context, to *Ledger, moved, mark Entry) error {
	given, err := to.cluster.position(moved)
	if err != nil {
		return err
	}
	left, err := l.cluster.position(mark)
	if err != nil {
		return err
	}
	p := l.holder()
	if p == nil {
		return errClosed
	}
	refused, err := p.commit(ctx, []kgo.Record{given, left}, nil)
	for _, why := range refused {
		err = errors.Join(err, why)
	}
	return err
}

// install makes sure that the entry is the lane's newest.
func (l *Ledger) install(ctx context.Context, moved Entry) error {
	own, err := l.take(ctx)
	if err != nil || own.Commit == moved.Commit {
		return err
	}
	return l.commit(ctx, nil, nil, moved)
}
