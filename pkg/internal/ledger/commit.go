package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Commit writes records, dead letters and the position behind them, all or nothing.
//
// A sink.BatchError names records that Kafka refuses for what is in them; nothing was
// written. sink.ErrMoved says that another moved the position: take the lane and go on
// from there. After any other error call Commit again with the same arguments.
func (l *Ledger) Commit(ctx context.Context, records []kgo.Record, rejects []sink.Reject, pos []byte) error {
	return l.commitEntry(ctx, records, rejects, l.newEntry(pos))
}

func (l *Ledger) newEntry(pos []byte) Entry {
	return Entry{Lane: l.lane, Topic: l.settings.Topic, Commit: newCommit(), Saved: time.Now().UTC(), Position: pos}
}

// commitAlone commits an entry without records.
func (l *Ledger) commitAlone(ctx context.Context, change func(*Entry)) error {
	e := l.newEntry(nil)
	change(&e)
	return l.commitEntry(ctx, nil, nil, e)
}

// commitEntry writes a second time, with a new producer, if Kafka dropped the first
// one by itself: then nobody else runs the lane.
func (l *Ledger) commitEntry(ctx context.Context, records []kgo.Record, rejects []sink.Reject, e Entry) error {
	err := l.writeEntry(ctx, records, rejects, e)
	if _, ok := errors.AsType[*expired](err); ok {
		l.settings.Log.Info().AnErr("cause", err).Msg("Kafka dropped the producer; taking the lane again")
		err = l.writeEntry(ctx, records, rejects, e)
	}
	return err
}

func (l *Ledger) writeEntry(ctx context.Context, records []kgo.Record, rejects []sink.Reject, e Entry) error {
	if l.heldProducer() == nil {
		if done, err := l.retakeLane(ctx); done || err != nil {
			return err
		}
	}
	all, err := l.transaction(records, rejects, e)
	if err != nil {
		return err
	}
	l.triedCommit = e.Commit
	p := l.heldProducer()
	if p == nil {
		return l.commitError(errClosed)
	}
	for cuts := []int(nil); ; {
		refused, err := p.commit(ctx, all, cuts)
		if err != nil {
			l.dropProducer()
			return l.failure(ctx, err)
		}
		if len(refused) == 0 {
			l.knownCommit, l.triedCommit = e.Commit, ""
			return nil
		}
		if cuts, err = divide(all, len(records), refused, cuts); err != nil {
			l.triedCommit = ""
			return err
		}
	}
}

// transaction returns all records of a transaction: the lane's first, its position
// last.
func (l *Ledger) transaction(records []kgo.Record, rejects []sink.Reject, e Entry) ([]kgo.Record, error) {
	letters, err := l.cluster.letterRecords(l.lane, rejects)
	if err != nil {
		return nil, l.commitError(err)
	}
	position, err := l.cluster.entryRecord(e)
	if err != nil {
		return nil, l.commitError(err)
	}
	all := make([]kgo.Record, 0, len(records)+len(letters)+1)
	return append(append(append(all, records...), letters...), position), nil
}

// retakeLane takes the lane after a commit that failed or whose outcome is unknown.
// done says that it was committed after all.
func (l *Ledger) retakeLane(ctx context.Context) (done bool, err error) {
	e, err := l.takeLane(ctx)
	switch {
	case err != nil:
		return false, err
	case !l.read:
		l.read, l.knownCommit = true, e.Commit
		return false, l.mismatch(e)
	case l.triedCommit != "" && e.Commit == l.triedCommit:
		l.knownCommit, l.triedCommit = l.triedCommit, ""
		return true, nil
	case e.Commit == "" && l.knownCommit != "":
		l.dropProducer()
		return false, l.commitError(sink.Destination(errGone, l.setHint()))
	case e.Commit != l.knownCommit:
		l.dropProducer()
		return false, l.commitError(sink.ErrMoved)
	}
	l.triedCommit = ""
	return false, nil
}

func (l *Ledger) commitError(err error) error {
	return fmt.Errorf("committing lane %s: %w", l.lane, err)
}

// Set takes the lane and commits a position that a person chose, whatever position is
// there. choose makes it of that one, nil if there is none or it cannot be used. That
// fences an instance that runs the lane; it finds the new position and goes on from it.
func (l *Ledger) Set(ctx context.Context, choose func(former []byte) ([]byte, error)) error {
	view, err := l.cluster.open()
	if err != nil {
		return err
	}
	defer view.close()
	if err := view.prepare(ctx); err != nil {
		return l.takeError(err)
	}
	p, err := l.cluster.initProducer(ctx)
	if err != nil {
		return l.takeError(err)
	}
	pos, err := l.chosen(ctx, view, choose)
	if err != nil {
		p.close()
		return l.takeError(err)
	}
	if err := l.holdProducer(p); err != nil {
		return err
	}
	return l.commitAlone(ctx, func(e *Entry) { e.Set, e.Position = true, pos })
}

// chosen returns what choose makes of the lane's position. The producer has been
// initialised, so nobody else commits one before it does.
func (l *Ledger) chosen(ctx context.Context, view partition, choose func(former []byte) ([]byte, error)) ([]byte, error) {
	value, err := l.newestEntry(ctx, view)
	if err != nil {
		return nil, err
	}
	var former []byte
	if value != nil {
		if e, unusable := decode(value, l.lane); unusable == nil {
			former = e.Position
		}
	}
	return choose(former)
}
