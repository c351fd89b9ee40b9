package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// publication is one Publish, with the outcome of each record.
//
// The records of a request belong to the goroutine that delivers it, so errs needs
// no lock.
type publication struct {
	*hec
	errs []error // of each record; nil: delivered

	mu           sync.Mutex
	halted       error     // why sending stopped; nil if it did not
	pending      []receipt // of requests that HEC took and has not acknowledged
	refusedInRow int       // records refused since the last one that was taken
}

// errUnknown is the error of a record whose outcome is unknown. At first every
// record has it.
var errUnknown = errors.New("splunk_hec: not delivered")

// maxRefusedInRow is how many records may be refused in a row before Publish stops.
// Without it, a destination that refuses every record would get several requests for
// each of thousands of records before the lane notices. The lane's max_rejects has
// the same default.
const maxRefusedInRow = 100

// slowdown is the pause of a sending goroutine after an answer that asks to slow
// down.
const slowdown = time.Second

// send delivers the batch in concurrent requests. The sink's very first request goes
// alone, so that the others have its cookies.
func (p *publication) send(ctx context.Context, batch []sink.Record) {
	for i := range p.errs {
		p.errs[i] = errUnknown
	}
	var group errgroup.Group
	group.SetLimit(concurrency)
	for first := 0; first < len(batch); {
		q := p.next(batch, first)
		first += q.len()
		if !p.answered.Load() {
			p.deliver(ctx, q)
			pool.Put(q.body)
			continue
		}
		group.Go(func() error {
			p.deliver(ctx, q)
			pool.Put(q.body)
			return nil
		})
	}
	_ = group.Wait() // Outcomes are in errs.
}

// deliver sends a request. If the answer is about some of its records, it sends the
// others again, until each record is taken, refused alone, or failed.
func (p *publication) deliver(ctx context.Context, q request) {
	for q.len() > 0 {
		channel, a, v := p.attempt(ctx, q)
		switch {
		case v != refused && v != tooLarge:
			return
		case q.len() == 1:
			p.refuse(q, p.wrap(a))
			return
		case v == tooLarge:
			half := q.len() / 2
			p.deliver(ctx, q.slice(0, half))
			q = q.slice(half, q.len())
		default:
			q = p.isolate(ctx, q, channel, a)
		}
	}
}

// attempt sends a request once. It notes the outcome of its records, unless the
// answer refuses one of them or the size of the request.
func (p *publication) attempt(ctx context.Context, q request) (channel string, a answer, v verdict) {
	if err := p.stopped(ctx); err != nil {
		p.note(q, err)
		return "", answer{}, unavailable
	}
	channel = p.channels.acquire()
	a, err := p.postEvents(ctx, channel, q.body)
	if err != nil {
		p.fail(q, err)
		return channel, a, unavailable
	}
	v = a.judge().verdict
	switch v {
	case accepted:
		p.accept(ctx, q, channel, a)
	case unavailable, misconfigured:
		if n, ok := a.position(q.len()); ok {
			// The number may count from zero or from one.
			if first := max(0, n-1); p.taken(ctx, q.slice(0, first), channel, a) {
				q = q.slice(first, q.len())
			}
		}
		p.fail(q, p.fault(a))
	}
	return channel, a, v
}

// accept notes that HEC took a whole request.
func (p *publication) accept(ctx context.Context, q request, channel string, a answer) {
	p.learn(ctx, a)
	if !p.taken(ctx, q, channel, a) {
		p.fail(q, p.withoutID())
		return
	}
	if a.AckID == nil && p.settings.Ack == ackAuto {
		p.warnUnacknowledged()
	}
	if a.asksToSlowDown() {
		pause(ctx, slowdown)
	}
}

// taken notes that HEC took records. It reports whether the answer proves that: with
// acknowledgement, only an ack id does, and its status must still be queried.
func (p *publication) taken(ctx context.Context, q request, channel string, a answer) bool {
	switch {
	case q.len() == 0:
	case a.AckID != nil && p.settings.Ack != ackOff:
		q.body = nil // only the indexes of its records are still needed
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refusedInRow = 0
		p.pending = append(p.pending, receipt{channel, *a.AckID, q})
	case p.final(ctx):
		p.note(q, nil)
		p.channels.release(channel)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refusedInRow = 0
	default:
		return false
	}
	return true
}

// refuse notes a record that was refused alone.
func (p *publication) refuse(q request, err error) {
	p.note(q, sink.Permanent(err))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusedInRow++; p.refusedInRow >= maxRefusedInRow && p.halted == nil {
		p.halted = fmt.Errorf("stopped after %d refused records in a row, the last with: %w", p.refusedInRow, err)
	}
}

// isolate handles an answer that refuses one record among several. It returns the
// records after it, which must still be sent.
func (p *publication) isolate(ctx context.Context, q request, channel string, a answer) (rest request) {
	n, ok := a.position(q.len())
	if !ok {
		return p.bisect(ctx, q)
	}
	first := max(0, n-1)
	if before := q.slice(0, first); !p.taken(ctx, before, channel, a) {
		p.deliver(ctx, before)
	}
	next := min(n+1, q.len())
	for i := first; i < next; i++ {
		p.deliver(ctx, q.slice(i, i+1))
	}
	return q.slice(next, q.len())
}

// bisect finds the refused record of a request whose answer does not name it. On the
// way it delivers all records before it.
func (p *publication) bisect(ctx context.Context, q request) (rest request) {
	begin, end := 0, q.len()
	for end-begin > 1 {
		half := begin + (end-begin)/2
		if _, _, v := p.attempt(ctx, q.slice(begin, half)); v == refused {
			end = half
		} else {
			begin = half
		}
	}
	p.deliver(ctx, q.slice(begin, end))
	return q.slice(end, q.len())
}

// note stores the outcome of all records of a request.
func (p *publication) note(q request, err error) {
	for i := range q.len() {
		p.errs[q.first+i] = err
	}
}

// fail notes an error that is no fault of the records, and stops the publication:
// requests not yet sent would most likely get the same error, after many timeouts.
func (p *publication) fail(q request, err error) {
	p.note(q, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted == nil {
		p.halted = err
	}
}

func (p *publication) stopped(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted == nil && ctx.Err() != nil {
		p.halted = p.wrap(context.Cause(ctx))
	}
	return p.halted
}

// report turns the records' errors into the result of Publish: nil, a plain error if
// all records failed with the same retryable error, or a BatchError.
func (p *publication) report() error {
	var again, refused sink.BatchError
	reasons := map[error]bool{}
	for i, err := range p.errs {
		switch {
		case err == nil:
		case sink.IsPermanent(err):
			refused = append(refused, sink.RecordError{Index: i, Err: err})
		default:
			again = append(again, sink.RecordError{Index: i, Err: err})
			reasons[err] = true
		}
	}
	switch {
	case len(again) == len(p.errs) && len(reasons) == 1:
		return again[0].Err
	case len(again)+len(refused) == 0:
		return nil
	}
	// The first error decides the hint and the lane's back-off, so retryable ones go
	// first.
	return append(again, refused...)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
