package objectlog

import (
	"context"
	"errors"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
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
		if last, err = numberOf(infos[len(infos)-1].Key); err != nil || !more {
			return last, err
		}
		leap = max(2*leap, objectstore.Page)
	}
}

// state is what a log says at a moment.
type state struct {
	last   Entry // the last entry; its Number is 0 if there is none
	counts Entry // the newest entry that counts: last, or the one before it
	open   bool  // last is a batch without an object: its writer may still commit it
}

// look returns the state of the log. It changes nothing.
func (l *Log) look(ctx context.Context) (state, error) {
	n, err := l.find(ctx)
	if err != nil || n == 0 {
		return state{}, err
	}
	last, err := l.read(ctx, n)
	if err != nil {
		return state{}, err
	}
	committed, open, err := l.committed(ctx, last)
	if err != nil || committed {
		return state{last: last, counts: last}, err
	}
	before, err := l.before(ctx, last)
	return state{last: last, counts: before, open: open}, err
}

// committed reports whether an entry counts. If it does not, open reports whether it may
// still do so.
func (l *Log) committed(ctx context.Context, e Entry) (committed, open bool, err error) {
	if e.Kind != Batch {
		return true, false, nil
	}
	info, err := l.settings.Store.Head(ctx, e.Object)
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return false, true, nil
	case err != nil:
		return false, false, err
	}
	return info.Metadata[metaCommit] == e.Commit, false, nil
}

// before returns the entry before a batch that does not count. That one counts, since the
// batch's writer had settled it. If it was deleted, the batch was the oldest of the log.
func (l *Log) before(ctx context.Context, e Entry) (Entry, error) {
	if e.Number == 1 {
		return Entry{Objects: e.Objects - 1}, nil
	}
	return l.read(ctx, e.Number-1)
}
