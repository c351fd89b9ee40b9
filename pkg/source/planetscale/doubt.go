package planetscale

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// errWalk is a contradiction within a walk.
type errWalk struct{ error }

func (e errWalk) Unwrap() error { return e.error }

// tries is how often a page is asked for whose answers contradict the walk. With
// a third of all answers wrong at random, three of twenty walks over a thousand
// pages meet that many in a row (1000/3^8). A cursor that is gone costs a walk as
// many requests.
const tries = 8

// doubt takes an error of a request or of its answer. What contradicts the walk
// may be a hiccup, so the same page is asked for again, paced by the caller. What
// stays wrong ends the walk. Any other error says nothing about the walk.
func (r *reader) doubt(w *walk, err error) error {
	if !errors.As(err, new(errCursor)) && !errors.As(err, new(errWalk)) && !errors.Is(err, errChanged) {
		return err
	}
	err = r.source.client.echo.Error(err) // A cursor is text of the server's.
	if r.doubts++; r.doubts < tries {
		return fault(source.Malformed, fmt.Errorf("the page is requested again: %w", err), "")
	}
	r.doubts = 0
	switch {
	case w != nil && w.asked > 0: // The last event is gone, and nothing behind it was listed.
		w.believeEnd()
		r.listed(w)
		return nil
	case w != nil && w.expect != "":
		r.fromTheTop()
		return nil
	}
	return r.discard(err)
}

// discard ends the walk. Positions only ever cover what was handed out, so
// nothing is lost with a walk.
func (r *reader) discard(err error) error {
	r.walk, r.hand, r.ahead = nil, nil, nil
	r.fullDue = time.Time{}
	r.mu.Lock()
	r.progress.WalksFailed++
	r.mu.Unlock()
	return fault(source.Malformed, fmt.Errorf("the walk over the log starts anew: %w", err), "")
}
