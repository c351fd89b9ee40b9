package sink

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Ledger is a Sink that stores the lane's position and the records in one atomic
// step. A lane with such a sink delivers exactly once: it resumes from the sink's
// position, publishes with PublishAt alone, and saves no position elsewhere.
type Ledger interface {
	Sink

	// Position takes the lane for this instance and returns the last committed
	// position, nil if there is none. From then on no other instance can commit for
	// the lane, unless it calls Position itself.
	Position(ctx context.Context) ([]byte, error)

	// PublishAt commits a batch, dead letters for the rejects, and the position
	// after both: all of it or nothing. The batch may be empty. It exceeds Limits if
	// the records between two positions do.
	//
	// A BatchError names records that are refused for good. Nothing was committed;
	// the lane calls PublishAt again with those records as rejects. ErrMoved means
	// that nothing was committed; the lane calls Position and resumes there. After any
	// other error the outcome is unknown: the lane calls PublishAt again with the same
	// arguments, and PublishAt finds out and commits them once.
	PublishAt(ctx context.Context, batch []Record, rejects []Reject, pos []byte) error

	// Look returns the last committed position, nil if there is none, and when it was
	// committed. It does not take the lane.
	Look(ctx context.Context) (pos []byte, saved time.Time, err error)

	// Rejects returns the lane's committed dead letters, oldest first. It does not
	// take the lane. An error stands for one dead letter that cannot be read, or ends
	// the sequence.
	Rejects(ctx context.Context) iter.Seq2[Reject, error]

	// Set takes the lane and commits a position that a person chose, over any other.
	// choose returns it. It is called with the position that is replaced, nil if there is
	// none or it cannot be used, and perhaps again with another. No other instance commits
	// in between. The instance that runs the lane finds the new position and resumes from it.
	Set(ctx context.Context, choose func(former []byte) ([]byte, error)) error
}

// Redriver is a Sink beside its lane (Env.Again) whose lane keeps dead letters with it.
type Redriver interface {
	// Letters returns the lane's dead letters that were not redriven yet, oldest first.
	// From then on no other process can call Redriven for them. An error stands for one
	// letter that cannot be read, or ends the sequence.
	Letters(ctx context.Context) iter.Seq2[Reject, error]

	// Redriven commits, in one atomic step, records and that all letters that Letters has
	// returned were redriven, except the kept ones, which become dead letters again. A
	// BatchError names records that are refused for good: nothing was committed. After
	// any other error Letters returns what was not committed.
	Redriven(ctx context.Context, batch []Record, kept []Reject) error
}

// ErrMoved means that another instance or a person moved the lane's position after
// this instance read it. The lane resumes from the new one.
var ErrMoved = errors.New("another instance or a person moved the lane's position")

// Releaser is a Sink that may keep a position from an earlier run, in which its
// settings made it a Ledger.
type Releaser interface {
	// Release calls keep with such a position, and deletes it once keep returned nil.
	// It does nothing if there is none.
	Release(ctx context.Context, keep func(pos []byte) error) error
}

// Renamer is a Ledger that can move a position from one lane to another.
type Renamer interface {
	Ledger

	// Lanes returns the names of all lanes that have a position in the destination. It
	// takes none of them.
	Lanes(ctx context.Context) ([]string, error)

	// Rename moves the position of lane from to this lane, in one atomic step: at any
	// time exactly one of the two has it. It fences the instances that run either
	// lane. It is an error, and changes nothing, if from has no position or this lane
	// has one. It may be called again after an error.
	Rename(ctx context.Context, from string) error
}
