package ledger

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Aside writes transactions beside a lane, which may run meanwhile. They have a
// transactional.id of their own and no position, so they fence no lane and move none. Its
// methods are not called concurrently, except that Close may be called at any time.
//
// Without a position nobody can find out how a transaction ended whose outcome is unknown.
// What is written again may then be there twice.
type Aside struct {
	lane   string
	what   string // what it is for, such as replay: the last part of its transactional.id
	remote *remote

	mu       sync.Mutex // guards what Close ends
	producer producer   // nil: there is none yet
	closed   bool
}

// NewAside returns an Aside of a lane. what says what it is for, in one word, such as
// replay. It does not connect to a broker.
func NewAside(lane, what string, s Settings) *Aside {
	return &Aside{lane: lane, what: what, remote: &remote{settings: s, id: TransactionalID(s.Namespace, lane) + "." + what}}
}

// Commit writes records in one transaction.
//
// A sink.BatchError names records that Kafka refuses for what is in them; nothing was
// written. sink.ErrMoved means that another process does the same for this lane, and began
// later: this one must end. After any other error Commit may be called again.
func (a *Aside) Commit(ctx context.Context, records []kgo.Record) error {
	return a.commit(ctx, records, len(records))
}

// commit is Commit; the first own records are those that a BatchError may name.
func (a *Aside) commit(ctx context.Context, records []kgo.Record, own int) error {
	p, err := a.take(ctx)
	if err != nil {
		return err
	}
	for cuts := []int(nil); ; {
		refused, err := p.commit(ctx, records, cuts)
		if err != nil {
			a.drop()
			return a.failure(err)
		}
		if len(refused) == 0 {
			return nil
		}
		if cuts, err = divide(records, own, refused, cuts); err != nil {
			return err
		}
	}
}

// take returns the producer. If there is none, it initialises one, which fences another
// process that does the same.
func (a *Aside) take(ctx context.Context) (producer, error) {
	a.mu.Lock()
	p, closed := a.producer, a.closed
	a.mu.Unlock()
	if closed {
		return nil, a.failure(errClosed)
	}
	if p != nil {
		return p, nil
	}
	p, err := a.remote.initProducer(ctx)
	if err != nil {
		return nil, a.failure(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		p.close()
		return nil, a.failure(errClosed)
	}
	a.producer = p
	return p, nil
}

func (a *Aside) failure(err error) error {
	if isFenced(err) && !isExpired(err) {
		err = fmt.Errorf("%w: %w", sink.ErrMoved, err)
	}
	return fmt.Errorf("%s of lane %s: %w", a.what, a.lane, err)
}

func (a *Aside) drop() {
	a.mu.Lock()
	p := a.producer
	a.producer = nil
	a.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// Close interrupts a Commit that is running; the outcome of that one is unknown.
func (a *Aside) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.drop()
}
