package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// publication is one Publish, and what becomes of each record in it.
//
// The records of a request belong to the goroutine that delivers it, so that errs
// needs no lock.
type publication struct {
	*hec
	errs []error // of each record; nil: delivered

	mu      sync.Mutex
	halted  error     // why nothing more is sent; nil as long as all goes well
	pending []receipt // what HEC took and has not acknowledged
	row     int       // records refused since one was taken
}

// errUnsettled is of records of which nothing is known, as of all at the start.
var errUnsettled = errors.New("splunk_hec: not delivered")

// enough is how many records may be refused in a row. A destination that takes
// none would be asked several times about each of a batch of thousands, before the
// lane hears of it. It is what a lane, too, buries in a row by default.
const enough = 100

// slowdown is the pause in one of the lines of requests after an answer that asks
// for less.
const slowdown = time.Second

// send delivers the batch in requests, several at once. The first of all goes
// alone, so that the others have its cookies.
func (p *publication) send(ctx context.Context, batch []sink.Record) {
	for i := range p.errs {
		p.errs[i] = errUnsettled
	}
	var lines errgroup.Group
	lines.SetLimit(concurrency)
	for first := 0; first < len(batch); {
		q := p.next(batch, first)
		first += q.len()
		if !p.met.Load() {
			p.deliver(ctx, q)
			continue
		}
		lines.Go(func() error { p.deliver(ctx, q); return nil })
	}
	_ = lines.Wait() // Outcomes are in errs.
}

// deliver sends a request, and what is left of it after an answer that is about
// some of its records, until each is taken, refused alone, or failed.
func (p *publication) deliver(ctx context.Context, q request) {
	for q.len() > 0 {
		channel, a, v := p.attempt(ctx, q)
		switch {
		case v != refused && v != tooLarge:
			return
		case q.len() == 1:
			p.refuse(q, p.posting(a))
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

// attempt sends a request once. What becomes of its records is noted, unless the
// answer is about one of them.
func (p *publication) attempt(ctx context.Context, q request) (channel string, a answer, v verdict) {
	if err := p.stopped(ctx); err != nil {
		p.note(q, err)
		return "", answer{}, unavailable
	}
	channel = p.channels.take()
	a, err := p.postEvents(ctx, channel, q.body)
	if err != nil {
		p.fail(q, err)
		return channel, a, unavailable
	}
	v = a.judge().verdict
	switch v {
	case accepted:
		p.accept(ctx, q, channel, a)
	case unavailable, misled:
		if n, ok := a.position(q.len()); ok {
			// Whether the number counts from zero or from one is not certain.
			if first := max(0, n-1); p.taken(ctx, q.slice(0, first), channel, a) {
				q = q.slice(first, q.len())
			}
		}
		p.fail(q, p.fault(a))
	}
	return channel, a, v
}

// accept notes a request that HEC took as a whole.
func (p *publication) accept(ctx context.Context, q request, channel string, a answer) {
	if p.settings.Ack != ackOff {
		p.see(a.AckID != nil)
	}
	if !p.taken(ctx, q, channel, a) {
		err := errors.New("the events were taken without an ack id")
		p.fail(q, sink.Destination(p.posting(err), noAckHint))
		return
	}
	if a.AckID == nil && p.settings.Ack == ackAuto {
		p.told.Do(func() {
			p.log.Warn().Msg("the token has no indexer acknowledgement: events count as delivered once Splunk has them in memory, and what it loses then is lost")
		})
	}
	if a.crowded() {
		pause(ctx, slowdown)
	}
}

// taken notes that HEC took records, as far as the answer is a proof of it: with
// acknowledgement an ack id is to be asked for, and nothing else is one.
func (p *publication) taken(ctx context.Context, q request, channel string, a answer) bool {
	switch {
	case q.len() == 0:
	case a.AckID != nil && p.settings.Ack != ackOff:
		q.body = nil // What is left to find out is only about which records these are.
		p.mu.Lock()
		defer p.mu.Unlock()
		p.row = 0
		p.pending = append(p.pending, receipt{channel, *a.AckID, q})
	case p.final(ctx):
		p.note(q, nil)
		p.channels.release(channel)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.row = 0
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
	if p.row++; p.row >= enough && p.halted == nil {
		p.halted = fmt.Errorf("nothing more was sent after %d records in a row were refused, the last with: %w", p.row, err)
	}
}

// isolate deals with an answer that refuses a record among several, and returns
// what is still to be sent behind it.
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

// bisect finds the refused record of a request whose answer does not name it, and
// delivers all that is before it on the way.
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

// note writes down the outcome of all records of a request.
func (p *publication) note(q request, err error) {
	for i := range q.len() {
		p.errs[q.first+i] = err
	}
}

// fail notes an error that is not about the records. What was not sent yet meets
// the same: it would most likely, and after many time-outs only.
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
		p.halted = p.posting(context.Cause(ctx))
	}
	return p.halted
}

// report makes of the records' errors what Publish returns: nil, or one error
// where all failed for one reason that is not theirs, or a BatchError.
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
	// Of several errors the first is shown, and those are what the lane waits for.
	return append(again, refused...)
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
