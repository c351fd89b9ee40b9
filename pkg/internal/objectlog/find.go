package objectlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// find returns the number of the last entry, 0 if there is none. Entries have consecutive
// numbers, but the first ones may have been deleted. A long log is not read page by page:
// find leaps ahead, twice as far each time, and half as far after it leapt too far.
func (l *Log) find(ctx context.Context) (int64, error) {
	var last int64
	for leap := int64(0); ; {
		after := ""
		if last+leap > 0 {
			after = l.entryKey(last + leap)
		}
		infos, more, err := l.settings.Store.List(ctx, l.entries(), after)
		switch {
		case err != nil:
			return 0, err
		case len(infos) == 0 && leap == 0:
			return last, nil
		case len(infos) == 0:
			leap /= 2
			continue
		}
		if last, err = numberOf(infos[len(infos)-1].Key); err != nil {
			return 0, sink.Destination(err, "move it to another folder: only Sluice may write to "+l.entries())
		}
		if !more {
			return last, nil
		}
		leap = max(2*leap, objectstore.Page)
	}
}

// fate is what became of an entry.
type fate int

const (
	open      fate = iota // a batch without an object: its writer may still commit it
	committed             // it counts
	givenUp               // a batch in whose place an object without records is
)

// state is what a log says at a moment.
type state struct {
	last   Entry // the last entry; its Number is 0 if there is none
	counts Entry // the newest entry that counts: last, or the one before it
	fate   fate  // of last
}

// look returns the state of the log. It changes nothing.
func (l *Log) look(ctx context.Context) (state, error) {
	last, fate, err := l.newest(ctx)
	if err != nil || fate == committed {
		return state{last, last, fate}, err
	}
	before, err := l.before(ctx, last)
	return state{last, before, fate}, err
}

// newest returns the last entry, and what became of it.
func (l *Log) newest(ctx context.Context) (Entry, fate, error) {
	n, err := l.find(ctx)
	if err != nil || n == 0 {
		return Entry{}, committed, err
	}
	last, err := l.read(ctx, n)
	if err != nil {
		return Entry{}, open, err
	}
	became, err := l.fateOf(ctx, last)
	return last, became, err
}

// fateOf tells what became of an entry. The object of a batch says so itself. One that does
// not, because somebody else wrote it, or wrote it again without its metadata, tells nothing.
func (l *Log) fateOf(ctx context.Context, e Entry) (fate, error) {
	if e.Kind != Batch {
		return committed, nil
	}
	info, err := l.settings.Store.Head(ctx, e.Object)
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return open, nil
	case err != nil:
		return open, err
	case info.Metadata[metaCommit] == e.Commit:
		return committed, nil
	case info.Metadata[metaVoid] == e.Commit:
		return givenUp, nil
	}
	return open, l.doubtful(e, fmt.Errorf("object %s says neither that it is the commit of entry %d nor that this was given up: somebody else wrote it, or its metadata is lost", e.Object, e.Number))
}

// before returns the entry before a batch that does not count. That one counts, since the
// batch's writer had settled it.
func (l *Log) before(ctx context.Context, e Entry) (Entry, error) {
	if e.Number == 1 {
		return Entry{Objects: e.Objects - 1}, nil
	}
	before, err := l.read(ctx, e.Number-1)
	if errors.Is(err, objectstore.ErrNotFound) {
		return Entry{}, l.doubtful(e, fmt.Errorf("entry %s is gone, and entry %d behind it was given up", l.entryKey(e.Number-1), e.Number))
	}
	return before, err
}

// doubt means that the store does not tell what the position is.
type doubt struct {
	last Entry
	error
}

// doubtful returns an error that a person must decide about. The log stays as it is.
func (l *Log) doubtful(last Entry, err error) error {
	return sink.Destination(&doubt{last, err},
		"find out what wrote to the bucket beside Sluice, and which events the objects have; then set the position from which the lane goes on: sluice checkpoint set -c FILE --to TIME "+l.lane)
}
