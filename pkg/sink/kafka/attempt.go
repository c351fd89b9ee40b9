package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// attempt follows records through kgo, from being handed over to their
// promises.
type attempt struct {
	carrier context.Context // in every record, so that the hook finds the attempt

	unplaced atomic.Int64  // records without a partition
	ready    chan struct{} // closed when there are none

	sending atomic.Bool
	early   sync.Once
	failed  chan struct{} // closed when a record fails before the first is sent
	cause   error         // why; good once failed is closed

	open     atomic.Int64  // records without an outcome
	done     chan struct{} // closed when there are none
	failures []failure     // good once done is closed
}

// failure is the outcome of a record that was not delivered.
type failure struct {
	record *kgo.Record
	err    error
	alone  bool // kgo refused it for its own size, apart from any batch
}

type attemptKey struct{}

func newAttempt(records int) *attempt {
	a := &attempt{ready: make(chan struct{}), failed: make(chan struct{}), done: make(chan struct{})}
	a.unplaced.Store(int64(records))
	a.open.Store(int64(records))
	// It never ends: of the ways kgo has to give up, only closing it works
	// whatever it is doing.
	a.carrier = context.WithValue(context.Background(), attemptKey{}, a)
	return a
}

// placed tells attempts of their records' partitions.
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

// promise is called by kgo once for each record, one after the other.
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
		// It needs no partition, and the others need not wait for one.
		a.place()
	case early:
		a.early.Do(func() {
			a.cause = err
			close(a.failed)
		})
	}
}
