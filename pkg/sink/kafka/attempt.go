package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// attempt follows records through kgo, from Produce to their promises.
type attempt struct {
	carrier context.Context // of every record, so that the hook finds the attempt

	unplaced atomic.Int64  // records without a partition
	ready    chan struct{} // closed when unplaced is 0

	sending atomic.Bool
	early   sync.Once
	failed  chan struct{} // closed when a record fails before the first one is sent
	cause   error         // of failed; valid once failed is closed

	open     atomic.Int64  // records without an outcome
	done     chan struct{} // closed when open is 0
	failures []failure     // valid once done is closed
}

// failure is the outcome of a record that was not delivered.
type failure struct {
	record *kgo.Record
	err    error
	alone  bool // kgo refused it because of its own size, before it was in a batch
}

type attemptKey struct{}

func newAttempt(records int) *attempt {
	a := &attempt{ready: make(chan struct{}), failed: make(chan struct{}), done: make(chan struct{})}
	a.unplaced.Store(int64(records))
	a.open.Store(int64(records))
	// It never ends: only closing kgo's client makes it give up in every state.
	a.carrier = context.WithValue(context.Background(), attemptKey{}, a)
	return a
}

// placed is the hook that reports records' partitions to their attempts.
type placed struct{}

// OnProduceRecordPartitioned implements kgo.HookProduceRecordPartitioned.
func (placed) OnProduceRecordPartitioned(r *kgo.Record, _ int32) {
	r.Context.Value(attemptKey{}).(*attempt).place()
}

func (a *attempt) place() {
	if a.unplaced.Add(-1) == 0 {
		close(a.ready)
	}
}

// promise is called by kgo once for each record, never concurrently.
func (a *attempt) promise(r *kgo.Record, err error) {
	if err != nil {
		a.fail(r, err)
	}
	if a.open.Add(-1) == 0 {
		close(a.done)
	}
}

func (a *attempt) fail(r *kgo.Record, err error) {
	early := !a.sending.Load()
	f := failure{record: r, err: err, alone: early && errors.Is(err, kerr.MessageTooLarge)}
	a.failures = append(a.failures, f)
	switch {
	case f.alone:
		// It gets no partition, and the others must not wait for it.
		a.place()
	case early:
		a.early.Do(func() {
			a.cause = err
			close(a.failed)
		})
	}
}
