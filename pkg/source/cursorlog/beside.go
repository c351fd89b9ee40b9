package cursorlog

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// beside keeps the requests of this process behind those of another one, which reads the
// same log with the same credential. The processes share no budget. So each request waits
// while the other process has less than half of its burst left, and what the other process
// used counts in this process's budget. The rate thus bounds both together.
type beside struct {
	look   func(context.Context) (source.Usage, bool)
	budget *Budget

	mu   sync.Mutex // held while a request waits: each one looks for itself
	seen bool       // used is known
	used uint64     // of the other process's budget, when it was last seen
}

// wait returns when a request may be sent. If the other process cannot be seen, that is at
// once. The error is that of ctx.
func (b *beside) wait(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		other, known := b.look(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		if !known {
			b.seen = false
			return nil
		}
		if b.seen && other.BudgetUsed > b.used {
			b.budget.charge(other.BudgetUsed - b.used)
		}
		b.seen, b.used = true, other.BudgetUsed
		again := b.budget.behind(other.BudgetLeft)
		if again == 0 {
			return nil
		}
		timer := time.NewTimer(again)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
