package source

import (
	"context"
	"time"
)

// Memory is what one lane may hold of the memory that all lanes of a process share. A lane
// that holds events needs a turn: room for a page of them and a batch. It may ask for more,
// and does with less if there is none. So no lane waits for memory while another waits for
// it, and a lane that is stuck keeps no other from its turn.
//
// Each Enter that succeeded needs a Leave. Its methods may be called concurrently.
type Memory interface {
	// Enter waits for a turn. It returns at once while the lane has one.
	Enter(context.Context) error

	// TryEnter is Enter for a lane that does not wait. It reports whether the lane has a turn.
	TryEnter() bool

	// Leave says that something is no longer held. The last Leave ends the turn.
	Leave()

	// Yield lets another lane have the turn, for a lane that must wait with what it holds.
	Yield()

	// Grow asks for n bytes beyond the turn.
	Grow(n int64) bool

	// Shrink gives n of those bytes back.
	Shrink(n int64)

	// Waiting is how long the lane has been waiting for a turn, 0 if it does not wait.
	Waiting() time.Duration

	// Wanted returns a channel that is closed as soon as a lane waits for a turn. A lane that
	// holds events only to gather more gives them up then.
	Wanted() <-chan struct{}
}

// MemoryUsage is a snapshot of the memory that all lanes share.
type MemoryUsage struct {
	Size    int64 // bytes that they may hold
	Held    int64 // bytes that they hold; a turn counts as a whole
	Waiting int64 // lanes that wait for a turn
}

// Unbounded is the memory of a lane that nothing bounds.
var Unbounded Memory = unbounded{}

type unbounded struct{}

func (unbounded) Enter(context.Context) error { return nil }
func (unbounded) TryEnter() bool              { return true }
func (unbounded) Leave()                      {}
func (unbounded) Yield()                      {}
func (unbounded) Grow(int64) bool             { return true }
func (unbounded) Shrink(int64)                {}
func (unbounded) Waiting() time.Duration      { return 0 }
func (unbounded) Wanted() <-chan struct{}     { return nil }
