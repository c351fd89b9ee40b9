package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/memory"
)

const mib = 1 << 20

func TestTurnsAndGrowthShareTheBudget(t *testing.T) {
	b := memory.New(4 * mib)
	first, second, third := b.Share(), b.Share(), b.Share()
	if !first.TryEnter() || !second.TryEnter() {
		t.Fatal("half of 4 MiB are two turns")
	}
	if third.TryEnter() {
		t.Error("a third lane has a turn")
	}
	if !first.TryEnter() {
		t.Error("a lane that has a turn waits for another one")
	}
	if !third.Grow(2*mib) || third.Grow(1) {
		t.Error("the other half is not what lanes grow by")
	}
	if got := b.Usage(); got.Held != 4*mib || got.Size != 4*mib {
		t.Errorf("got %+v", got)
	}
	third.Shrink(2 * mib)
	first.Leave()
	if third.TryEnter() {
		t.Error("a turn ended while its lane still holds something")
	}
	first.Leave()
	if !third.TryEnter() {
		t.Error("a turn did not end")
	}
	second.Leave()
	third.Leave()
	if got := b.Usage().Held; got != 0 {
		t.Errorf("%d bytes are held, want none", got)
	}
}

// A lane that must wait lets others go on. It keeps what it holds.
func TestALaneThatIsStuckYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Turn)
		stuck, other := b.Share(), b.Share()
		if err := stuck.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		entered := make(chan error)
		go func() { entered <- other.Enter(t.Context()) }()
		time.Sleep(time.Minute)
		if got := other.Waiting(); got != time.Minute || b.Usage().Waiting != 1 {
			t.Errorf("waits for %s, %+v", got, b.Usage())
		}
		stuck.Yield()
		stuck.Yield()
		if err := <-entered; err != nil || other.Waiting() != 0 || b.Usage().Waiting != 0 {
			t.Errorf("got %v, and waits for %s", err, other.Waiting())
		}
		stuck.Leave() // what it held
		if stuck.TryEnter() {
			t.Error("two lanes have the only turn")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := stuck.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of the context", err)
		}
		other.Leave()
		if err := stuck.Enter(t.Context()); err != nil {
			t.Error(err)
		}
		if got := b.Usage().Held; got != memory.Turn {
			t.Errorf("%d bytes are held, want one turn", got)
		}
	})
}

// Once a lane has its turn, all of its goroutines have it. If the one that waited for it
// gave up, another one waits in its place.
func TestGoroutinesOfALaneShareItsTurn(t *testing.T) {
	for _, givesUp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := memory.New(memory.Turn)
			other, lane := b.Share(), b.Share()
			if !other.TryEnter() {
				t.Fatal("the only turn is taken")
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first, rest := make(chan error, 1), make(chan error, 2)
			go func() { first <- lane.Enter(ctx) }()
			synctest.Wait()
			for range cap(rest) {
				go func() { rest <- lane.Enter(t.Context()) }()
			}
			time.Sleep(time.Minute)
			if got := b.Usage().Waiting; got != 1 {
				t.Errorf("%d lanes wait, want the one", got)
			}
			if givesUp {
				cancel()
				if err := <-first; !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				synctest.Wait()
				if b.Usage().Waiting != 1 || lane.Waiting() > time.Minute {
					t.Errorf("nobody waits in its place: %+v", b.Usage())
				}
			}
			other.Leave()
			if err := errors.Join(<-rest, <-rest); err != nil {
				t.Error(err)
			}
			if got := b.Usage(); got.Held != memory.Turn || got.Waiting != 0 || lane.Waiting() != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestTheLeastBudgetHasATurn(t *testing.T) {
	if s := memory.New(1).Share(); !s.TryEnter() || s.Grow(1) {
		t.Error("want one turn, and nothing to grow by")
	}
}

// A lane that gathers hears that another waits, until nobody waits any more.
func TestALaneHearsThatItsTurnIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Turn)
		gathers, other := b.Share(), b.Share()
		if !gathers.TryEnter() {
			t.Fatal("the only turn is taken")
		}
		wanted := gathers.Wanted()
		isClosed := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		if isClosed(wanted) {
			t.Error("a turn is wanted, though nobody waits")
		}
		entered := make(chan error)
		go func() { entered <- other.Enter(t.Context()) }()
		synctest.Wait()
		if !isClosed(wanted) || !isClosed(gathers.Wanted()) {
			t.Error("no turn is wanted, though a lane waits")
		}
		gathers.Leave()
		if err := <-entered; err != nil {
			t.Fatal(err)
		}
		if isClosed(gathers.Wanted()) {
			t.Error("a turn is wanted, though nobody waits any more")
		}
	})
}
