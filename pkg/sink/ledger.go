package sink

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Ledger is a Sink that keeps the position of its lane beside the records, and
// moves it in the same atomic step in which it takes them. A lane with such a sink
// delivers exactly once: it asks the sink where to go on, publishes with PublishAt
// alone, and saves no position elsewhere.
type Ledger interface {
	Sink

	// Position takes the lane for this instance and returns the position that was
	// committed last, nil if there is none. After it returned, no other instance can
	// commit for the lane until it takes it in turn.
	Position(ctx context.Context) ([]byte, error)

	// PublishAt commits a batch, dead letters for the rejects, and the position
	// behind both, all or nothing. The batch may be empty, and larger than Limits
	// where what lies before one position is.
	//
	// A BatchError names records that are refused for good: nothing was committed,
	// and PublishAt is called again with those as rejects. ErrMoved says that nothing
	// was committed, and that Position is to be asked where to go on. After any other
	// error it is not known whether it was committed: PublishAt is called again with
	// the same arguments, finds out, and commits them once.
	PublishAt(ctx context.Context, batch []Record, rejects []Reject, pos []byte) error

	// Look returns the position that was committed last, nil if there is none, and
	// when that was. It takes nothing.
	Look(ctx context.Context) (pos []byte, saved time.Time, err error)

	// Rejects returns the dead letters of the lane that are committed, oldest first.
	// It takes nothing. An error is about one that cannot be read, or the last.
	Rejects(ctx context.Context) iter.Seq2[Reject, error]

	// Set takes the lane and commits a position that a person chose, whatever is
	// there. The instance that runs the lane finds it and goes on from it.
	Set(ctx context.Context, pos []byte) error
}

// ErrMoved says that somebody else has moved the position of the lane since it was
// read: another instance, or a person. The lane goes on from where it is now.
var ErrMoved = errors.New("the lane's position was moved by another")

// Releaser is a Sink that may keep a position from an earlier run, in which its
// settings made it a Ledger.
type Releaser interface {
	// Release calls keep with such a position, and forgets it once keep returned nil.
	// It does nothing if there is none.
	Release(ctx context.Context, keep func(pos []byte) error) error
}

// Renamer is a Ledger that can move a position from one lane to another.
type Renamer interface {
	Ledger

	// Lanes returns the names of all lanes that keep a position in the destination. It
	// takes nothing.
	Lanes(ctx context.Context) ([]string, error)

	// Rename makes the position that another lane keeps there that of this lane, in
	// one atomic step, so that never both have it, or neither. It fences whoever runs
	// either lane. Where the other lane has no position, or this one has, it is an
	// error and nothing is changed. It can be called again after an error.
	Rename(ctx context.Context, from string) error
}
