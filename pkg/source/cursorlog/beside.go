package cursorlog

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// beside keeps the requests of this process behind those of another one, which reads the
// same log with the same credential. The processes share no budget. So each request waits
// while the other process has less than half of its burst left, and what the other process
// used counts in this process's budget. The rate thus bounds both together.
type beside struct {
	look   func(context.Context) (source.Usage, bool)
	budget *Budget
	log    zerolog.Logger

	mu   sync.Mutex // held while a request waits: each one looks for itself
	seen bool       // used is known
	used uint64     // of the other process's budget, when it was last seen
	told bool       // that requests wait for long
}

// starved is after how long without a request the log tells why.
const starved = 30 * time.Second

// wait returns when a request may be sent. If the other process cannot be seen, that is at
// once. The error is that of ctx.
func (b *beside) wait(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for began := time.Now(); ; {
		if time.Since(began) > starved && !b.told {
			b.told = true
			b.log.Warn().Msg("requests wait: the other process uses all of requests_per_minute; raise that, or its poll_interval, if this lasts")
		}
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
