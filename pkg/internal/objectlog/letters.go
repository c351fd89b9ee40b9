package objectlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sluice-siem/sluice/pkg/internal/letter"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/sink"
)

const lettersType = "application/x-ndjson"

// writeLetters writes dead letters. Nobody else has this key, so a second attempt may
// replace the first.
func (l *Log) writeLetters(ctx context.Context, key string, rejects []sink.Reject) error {
	var text bytes.Buffer
	for _, r := range rejects {
		if err := letter.Encode(&text, letter.Letter{Lane: l.lane, Reject: r}); err != nil {
			return fmt.Errorf("encoding a dead letter: %w", err)
		}
	}
	return l.settings.Store.Put(ctx, key, objectstore.Object{Body: text.Bytes(), Type: lettersType})
}

// Rejects returns the lane's committed dead letters, oldest first. It does not take the
// lane. An error stands for one dead letter that cannot be read, or ends the sequence.
func (l *Log) Rejects(ctx context.Context) iter.Seq2[sink.Reject, error] {
	return func(yield func(sink.Reject, error) bool) {
		for key, err := range l.letterKeys(ctx) {
			if err != nil {
				yield(sink.Reject{}, err)
				return
			}
			counts, err := l.lettersCount(ctx, key)
			if err == nil && counts {
				var more bool
				if more, err = l.readLetters(ctx, key, yield); !more && err == nil {
					return
				}
			}
			if err != nil {
				yield(sink.Reject{}, fmt.Errorf("reading dead letters of lane %s: %w", l.lane, err))
				return
			}
		}
	}
}

func (l *Log) letterKeys(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for after := ""; ; {
			infos, more, err := l.settings.Store.List(ctx, l.letters(), after)
			if err != nil {
				yield("", fmt.Errorf("listing dead letters of lane %s: %w", l.lane, err))
				return
			}
			for _, info := range infos {
				after = info.Key
				if !yield(info.Key, nil) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// lettersCount reports whether the entry that names the letters counts. A rule of the
// bucket may have deleted an old entry; then they are taken to count.
func (l *Log) lettersCount(ctx context.Context, key string) (bool, error) {
	n, err := numberOf(key)
	if err != nil {
		return false, err
	}
	e, err := l.read(ctx, n)
	if errors.Is(err, objectstore.ErrNotFound) {
		last, err := l.find(ctx)
		return n < last, err
	}
	if err != nil || e.Letters != key {
		return false, err
	}
	became, err := l.fateOf(ctx, e)
	if _, doubtful := errors.AsType[*doubt](err); doubtful || err == nil && became == open {
		// A rule of the bucket may have deleted or moved an old object, too.
		last, err := l.find(ctx)
		return n < last, err
	}
	return became == committed, err
}

// readLetters yields the letters of an object. more is false if yield wants no more.
func (l *Log) readLetters(ctx context.Context, key string, yield func(sink.Reject, error) bool) (more bool, err error) {
	o, err := l.settings.Store.Read(ctx, key)
	if err != nil {
		return false, err
	}
	for line := range bytes.Lines(o.Body) {
		found, err := letter.Decode(line)
		if err != nil {
			err = fmt.Errorf("a line of object %s: %w", key, err)
		}
		if !yield(found.Reject, err) {
			return false, nil
		}
	}
	return true, nil
}
