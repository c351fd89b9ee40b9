// Package memory divides the memory of a process among its lanes.
//
// A Budget has two halves. The first is for turns. A lane that holds events has a turn,
// which is enough for a page and a batch. Lanes wait for turns in the order in which they
// came. The second half is for whatever makes a lane faster: more pages of a walk, longer
// queues, larger batches. Nobody waits for it. So no lane waits for memory while it holds
// what another waits for, and nothing can deadlock.
//
// A lane may hold its turn only to gather events. It learns from Wanted that another waits
// for one, and then goes on, which ends its turn.
//
// A lane whose sink or source fails gives its turn to another and keeps what it holds. That
// is the only memory beyond the budget: a page and a batch for each such lane.
package memory

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Turn is the memory for a page and a batch of a lane: what is read, what is encoded, and
// what the sink makes of it.
const Turn = 1 << 20

// Budget is the memory that all lanes of a process may hold.
type Budget struct {
	size  int64
	turns *semaphore.Weighted // in turns
	rest  *semaphore.Weighted // in bytes

	held atomic.Int64 // bytes, turns included

	mu      sync.Mutex
	waiting int64         // lanes that wait for a turn
	wanted  chan struct{} // closed while any does
}

// New returns a budget of so many bytes. It has at least one turn.
func New(size int64) *Budget {
	turns := max(1, size/2/Turn)
	return &Budget{
		size: size, turns: semaphore.NewWeighted(turns), rest: semaphore.NewWeighted(max(0, size-turns*Turn)),
		wanted: make(chan struct{}),
	}
}

// Usage returns a snapshot.
func (b *Budget) Usage() source.MemoryUsage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return source.MemoryUsage{Size: b.size, Held: b.held.Load(), Waiting: b.waiting}
}

// waits counts a lane that begins to wait for a turn. The function that it returns counts
// the end.
func (b *Budget) waits() (ended func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting++; b.waiting == 1 {
		close(b.wanted)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.waiting--; b.waiting == 0 {
			b.wanted = make(chan struct{})
		}
	}
}

// Share returns a share for a lane, which holds nothing.
func (b *Budget) Share() *Share { return &Share{budget: b} }

// Share is what one lane holds. It implements source.Memory. Several goroutines of a lane
// may enter. Only one of them waits for the lane's turn, and the others wait for that one.
type Share struct {
	budget *Budget

	mu       sync.Mutex
	things   int           // held, by the count of Enter and Leave
	turn     bool          // it was not yielded
	waiting  chan struct{} // closed once the goroutine that waits for a turn waits no more; nil if none does
	waitFrom time.Time     // when it began
}

// Enter implements source.Memory.
func (s *Share) Enter(ctx context.Context) error {
	for {
		entered, first, waiting := s.enterOrWait()
		switch {
		case entered:
			return nil
		case first:
			return s.acquire(ctx)
		}
		select {
		case <-waiting: // The lane has its turn now, or nobody waits for it any more.
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// enterOrWait enters if the lane has a turn or can have one at once. Otherwise the first
// caller must acquire a turn, and the others wait until it has.
func (s *Share) enterOrWait() (entered, first bool, waiting chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tryEnter() {
		return true, false, nil
	}
	if s.waiting == nil {
		s.waiting, s.waitFrom = make(chan struct{}), time.Now()
		return false, true, nil
	}
	return false, false, s.waiting
}

// acquire waits for a turn.
func (s *Share) acquire(ctx context.Context) error {
	ended := s.budget.waits()
	err := s.budget.turns.Acquire(ctx, 1)
	ended()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.waiting)
	s.waiting = nil
	if err == nil {
		s.begin()
	}
	return err
}

// TryEnter implements source.Memory.
func (s *Share) TryEnter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tryEnter()
}

// tryEnter is called with the mutex held.
func (s *Share) tryEnter() bool {
	switch {
	case s.turn:
		s.things++
	case s.budget.turns.TryAcquire(1):
		s.begin()
	default:
		return false
	}
	return true
}

// begin takes a turn that was acquired, unless another goroutine of the lane was faster.
func (s *Share) begin() {
	if s.things++; s.turn {
		s.budget.turns.Release(1)
		return
	}
	s.turn = true
	s.budget.held.Add(Turn)
}

// Leave implements source.Memory.
func (s *Share) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.things--; s.things == 0 {
		s.yield()
	}
}

// Yield implements source.Memory.
func (s *Share) Yield() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.yield()
}

func (s *Share) yield() {
	if !s.turn {
		return
	}
	s.turn = false
	s.budget.held.Add(-Turn)
	s.budget.turns.Release(1)
}

// Grow implements source.Memory.
func (s *Share) Grow(n int64) bool {
	if !s.budget.rest.TryAcquire(n) {
		return false
	}
	s.budget.held.Add(n)
	return true
}

// Shrink implements source.Memory.
func (s *Share) Shrink(n int64) {
	s.budget.held.Add(-n)
	s.budget.rest.Release(n)
}

// Waiting implements source.Memory.
func (s *Share) Waiting() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		return 0
	}
	return time.Since(s.waitFrom)
}

// Wanted implements source.Memory.
func (s *Share) Wanted() <-chan struct{} {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.budget.wanted
}
