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
var ErrNone = errors.New("has no position in topic")

// Rename gives the position of the lane from to this one, which must have none. If it
// failed, it can be called again.
//
// Both lanes are taken first, so that nobody else commits for either. One transaction,
// under the former lane's id, then writes the position under the new name and a mark
// under the former name: at no moment do both lanes have it, or neither. The mark takes
// the place of a tombstone. An instance that still runs the former lane finds it and
// stops; after a tombstone it would begin anew.
//
// An instance that runs the new lane may take it in between, and begin. The last step
// fences that instance and writes the position again; the instance finds it and goes on
// from there.
func (l *Ledger) Rename(ctx context.Context, from string) error {
	former := New(from, l.settings)
	defer former.Close()
	given, err := l.receive(ctx, former)
	if err == nil && given.Commit != "" {
		err = l.ensureNewest(ctx, given)
	}
	if err != nil {
		return fmt.Errorf("renaming lane %s to %s: %w", from, l.lane, err)
	}
	return nil
}

// receive moves the position of the former lane to this one, and returns this lane's
// new entry. The entry is zero if the position was moved before.
func (l *Ledger) receive(ctx context.Context, former *Ledger) (Entry, error) {
	found, own, err := l.takeBoth(ctx, former)
	switch {
	case err != nil:
		return Entry{}, err
	case found.Renamed == l.lane && own.Position != nil:
		return Entry{}, nil
	case found.Position == nil:
		return Entry{}, fmt.Errorf("lane %s %w %s", former.lane, ErrNone, l.settings.Positions)
	case own.Position != nil:
		return Entry{}, sink.Hint(fmt.Errorf("lane %s already has a position", l.lane), "to change where it goes on: sluice checkpoint set -c FILE --to TIME "+l.lane)
	}
	now := time.Now().UTC()
	given := Entry{Lane: l.lane, Topic: found.Topic, Commit: newCommit(), Saved: now, Set: true, Position: found.Position}
	mark := Entry{Lane: former.lane, Topic: found.Topic, Commit: newCommit(), Saved: now, Renamed: l.lane}
	return given, former.commitBoth(ctx, l, given, mark)
}

// takeBoth returns the entries of both lanes. It looks before it takes them: a lane
// that runs is not fenced if the rename is impossible.
func (l *Ledger) takeBoth(ctx context.Context, former *Ledger) (found, own Entry, err error) {
	found, final, err := former.glimpse(ctx)
	if err != nil {
		return found, own, err
	}
	own, _, err = l.glimpse(ctx)
	if err != nil || own.Position != nil || final && found.Position == nil {
		return found, own, err
	}
	if found, err = former.takeLane(ctx); err != nil || found.Position == nil {
		return found, own, err
	}
	own, err = l.takeLane(ctx)
	return found, own, err
}

// glimpse is Look without waiting for transactions to end. While one is open in the
// partition, a newer entry may be behind it, and the entry is not final.
func (l *Ledger) glimpse(ctx context.Context) (e Entry, final bool, err error) {
	view, err := l.cluster.open()
	if err != nil {
		return Entry{}, false, err
	}
	defer view.close()
	end, err := view.highWatermark(ctx)
	if errors.Is(err, ErrNoTopic) {
		return Entry{}, true, nil
	}
	if err != nil {
		return Entry{}, false, err
	}
	stable, err := view.lastStable(ctx)
	if err != nil {
		return Entry{}, false, err
	}
	value, err := view.newest(ctx, stable)
	if err != nil || value == nil {
		return Entry{}, stable >= end, err
	}
	e, err = decode(value, l.lane)
	return e, stable >= end, err
}

// commitBoth commits an entry of another lane, and a mark of this lane, in one
// transaction of this lane.
func (l *Ledger) commitBoth(ctx context.Context, to *Ledger, given, mark Entry) error {
	position, err := to.cluster.entryRecord(given)
	if err != nil {
		return err
	}
	left, err := l.cluster.entryRecord(mark)
	if err != nil {
		return err
	}
	p := l.heldProducer()
	if p == nil {
		return errClosed
	}
	refused, err := p.commit(ctx, []kgo.Record{position, left}, nil)
	for _, why := range refused {
		err = errors.Join(err, why)
	}
	return err
}

// ensureNewest takes the lane, and commits the entry again if it is not the newest.
func (l *Ledger) ensureNewest(ctx context.Context, given Entry) error {
	own, err := l.takeLane(ctx)
	if err != nil || own.Commit == given.Commit {
		return err
	}
	return l.commitEntry(ctx, nil, nil, given)
}
