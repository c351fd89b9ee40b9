package objectlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Take takes the lane and returns its position, nil if the log keeps none. Call it before
// the lane goes on from a position, and again after sink.ErrMoved.
func (l *Log) Take(ctx context.Context) ([]byte, error) {
	l.busy.Lock()
	defer l.busy.Unlock()
	return l.take(ctx)
}

func (l *Log) take(ctx context.Context) ([]byte, error) {
	l.release()
	if l.settings.Confirm != nil {
		if err := l.settings.Confirm(ctx); err != nil {
			return nil, l.takeError(err)
		}
	}
	e, err := l.append(ctx, l.settle, func(counts Entry) (Entry, error) { return l.newEntry(Take, counts, counts.Position), nil })
	if err != nil {
		return nil, l.takeError(err)
	}
	if err := l.prove(ctx, e); err != nil {
		return nil, l.takeError(err)
	}
	l.hold(e)
	return e.Position, nil
}

// Set takes the lane and commits a position that a person chose, whatever position is
// there. choose makes it of that one, nil if there is none or it is unknown, and is called
// again if another was written meanwhile.
func (l *Log) Set(ctx context.Context, choose func(former []byte) ([]byte, error)) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	l.release()
	e, err := l.append(ctx, l.overrule, func(counts Entry) (Entry, error) {
		pos, err := choose(counts.Position)
		return l.newEntry(Set, counts, pos), err
	})
	if err != nil {
		return l.takeError(err)
	}
	if err := l.prove(ctx, e); err != nil {
		return l.takeError(err)
	}
	l.hold(e)
	return nil
}

// Release calls keep with the lane's position, and then marks that the log keeps it no
// more. It does nothing if there is none.
func (l *Log) Release(ctx context.Context, keep func(pos []byte) error) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	s, err := l.look(ctx)
	if err != nil || s.counts.Position == nil && s.fate != open {
		return l.releaseError(err)
	}
	pos, err := l.take(ctx)
	if err != nil || pos == nil {
		return err
	}
	if err := keep(pos); err != nil {
		return err
	}
	return l.releaseError(l.create(ctx, l.newEntry(Release, l.last, nil)))
}

func (l *Log) releaseError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("moving the position of lane %s to another place: %w", l.lane, err)
}

// append settles the last entry and adds another behind it, which next makes of the newest
// entry that counts. It begins again while others write to the log. A store that then does
// not list what they wrote cannot be used yet.
func (l *Log) append(ctx context.Context, settle func(context.Context) (Entry, error), next func(counts Entry) (Entry, error)) (Entry, error) {
	for taken := int64(0); ; {
		counts, err := settle(ctx)
		if err != nil {
			return Entry{}, err
		}
		e, err := next(counts)
		if err != nil {
			return Entry{}, err
		}
		if e.Number <= taken {
			return Entry{}, sink.Hint(fmt.Errorf("entry %s exists, and the store does not list it", l.entryKey(taken)),
				"use a store whose lists have what was written before; if it is one, nothing needs to be done")
		}
		err = l.create(ctx, e)
		if !errors.Is(err, errTaken) {
			return e, err
		}
		taken = e.Number
	}
}

// settle decides whether the last entry counts, and returns the newest that does, with the
// number of the last and all objects that numbers were given to.
func (l *Log) settle(ctx context.Context) (Entry, error) {
	last, became, err := l.newest(ctx)
	if err != nil {
		return Entry{}, err
	}
	if became == open {
		err := l.settings.Store.Create(ctx, last.Object, given(last))
		if err != nil && !errors.Is(err, objectstore.ErrExists) {
			return Entry{}, err
		}
		if became, err = l.fateOf(ctx, last); err != nil {
			return Entry{}, err
		}
	}
	switch became {
	case open:
		return Entry{}, fmt.Errorf("object %s was created and is missing", last.Object)
	case committed:
		return last, nil
	}
	counts, err := l.before(ctx, last)
	if err != nil {
		return Entry{}, err
	}
	counts.Number, counts.Objects, counts.Saved = last.Number, last.Objects, last.Saved
	return counts, nil
}

// overrule is settle for a position that a person chose: it needs no position before it.
func (l *Log) overrule(ctx context.Context) (Entry, error) {
	counts, err := l.settle(ctx)
	if unknown, ok := errors.AsType[*doubt](err); ok {
		return Entry{Number: unknown.last.Number, Objects: unknown.last.Objects, Saved: unknown.last.Saved}, nil
	}
	return counts, err
}

// prove creates an entry of this process once more. A store that takes that, too, would
// also let two instances commit.
func (l *Log) prove(ctx context.Context, e Entry) error {
	if l.proven {
		return nil
	}
	body, err := encode(e)
	if err != nil {
		return err
	}
	err = l.settings.Store.Create(ctx, l.entryKey(e.Number), objectstore.Object{Body: body, Type: jsonType})
	switch {
	case errors.Is(err, objectstore.ErrExists):
		l.proven = true
		return nil
	case err != nil:
		return err
	}
	return Ignored(l.settings.Store, l.entryKey(e.Number))
}

// Ignored is the error of a store that let an object be created twice.
func Ignored(store objectstore.Store, key string) error {
	return sink.Destination(fmt.Errorf("%s let the object %s be created twice: it ignores If-None-Match, so it cannot keep an event from being written twice", store, key),
		"use a store that knows If-None-Match on PutObject (docs/s3.md names some), or write delivery: at_least_once")
}

func (l *Log) hold(e Entry) {
	l.held, l.last, l.tried = true, e, nil
	l.pause.Held()
}

func (l *Log) release() { l.held, l.tried = false, nil }

// Look returns the newest entry that counts, without taking the lane. An entry without a
// number says that there is none.
func (l *Log) Look(ctx context.Context) (Entry, error) {
	s, err := l.look(ctx)
	if err != nil {
		return Entry{}, fmt.Errorf("reading the position of lane %s: %w", l.lane, err)
	}
	return s.counts, nil
}
