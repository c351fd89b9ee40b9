package cursorlog

import (
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/source"
)

// errWalk marks an answer that contradicts the walk.
type errWalk struct{ error }

func (e errWalk) Unwrap() error { return e.error }

// tries is how often a page is requested whose answers contradict the walk. If a third
// of all answers are wrong at random, three of twenty walks over a thousand pages meet so
// many wrong ones in a row (1000/3^8). A cursor whose event is gone costs as many
// requests.
const tries = 8

// doubt takes the error of a request or of its answer. An answer that contradicts the
// walk may be a hiccup: the error is returned, and the next call of Next, paced by the
// caller, requests the same page again. If it stays wrong, the walk is discarded. Other
// errors say nothing about the walk.
func (r *reader) doubt(w *walk, err error) error {
	if !errors.As(err, new(cursorRefused)) && !errors.As(err, new(errWalk)) && !errors.Is(err, errChanged) {
		return err
	}
	refused := errors.As(err, new(cursorRefused)) || errors.Is(err, errTop)
	r.refused = refused && (r.refused || r.doubts == 0)
	if r.doubts++; r.doubts < tries {
		return r.source.requester.fault(source.Malformed, fmt.Errorf("the page is requested again: %w", err))
	}
	r.doubts = 0
	switch {
	case w != nil && w.asked > 0 && !w.again && r.refused: // The last event is gone, and nothing behind it was listed.
		w.believeEnd()
		r.listed(w)
		return nil
	case w != nil && w.expect != "":
		r.fromTheTop()
		return nil
	}
	return r.discard(err)
}

// discard forgets the walk. That loses no event, since a position covers only events that
// were returned.
func (r *reader) discard(err error) error {
	r.drop()
	r.walks.discard(err)
	r.progress.discarded()
	return r.source.requester.fault(source.Malformed, fmt.Errorf("the walk restarts: %w", err))
}
