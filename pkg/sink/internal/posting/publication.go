package posting

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/pool"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// Publication is one Publish, with the outcome of each record.
//
// The records of a request belong to the goroutine that delivers it, so errs needs
// no lock.
type Publication struct {
	*Publisher
	batch []sink.Record
	errs  []error // of each record; nil: delivered
	post  func(context.Context, Request) Answer

	mu           sync.Mutex
	halted       error // why sending stopped; nil if it did not
	refusedInRow int   // records refused since the last one that was taken
}

// errUnknown is the error of a record whose outcome is unknown. At first every
// record has it.
var errUnknown = errors.New("not delivered")

// maxRefusedInRow is how many records may be refused in a row before a publication halts.
// Without it, a destination that refuses every record would get several requests for
// each of thousands of records before the lane notices. The lane's max_rejects has
// the same default.
const maxRefusedInRow = 100

func newPublication(p *Publisher, batch []sink.Record) *Publication {
	n := &Publication{Publisher: p, batch: batch, errs: make([]error, len(batch))}
	for i := range n.errs {
		n.errs[i] = errUnknown
	}
	return n
}

// Send sends the batch in concurrent requests, and returns when each has its answer.
func (n *Publication) Send(ctx context.Context, post func(context.Context, Request) Answer) {
	n.post = post
	var group errgroup.Group
	group.SetLimit(n.plan.Concurrency)
	for first := 0; first < len(n.batch); {
		q, err := n.cut(n.batch, first)
		if err != nil {
			pool.Put(q.joined)
			n.unencodable(first, err)
			first++
			continue
		}
		first += q.Len()
		if n.plan.Alone != nil && n.plan.Alone() {
			n.deliver(ctx, q)
			pool.Put(q.joined)
			continue
		}
		group.Go(func() error {
			n.deliver(ctx, q)
			pool.Put(q.joined)
			return nil
		})
	}
	_ = group.Wait() // Outcomes are in errs.
}

// unencodable notes the outcome of a record that cannot be sent. Once the publication is
// halted, the record counts as not sent, as the ones around it do.
func (n *Publication) unencodable(at int, err error) {
	n.mu.Lock()
	halted := n.halted
	n.mu.Unlock()
	if halted != nil {
		n.errs[at] = halted
		return
	}
	n.errs[at] = err
	if sink.IsPermanent(err) {
		n.count(err)
	}
}

// deliver sends a request. If the answer is about some of its records, it sends the
// others again, until each record is taken, refused alone, or failed.
func (n *Publication) deliver(ctx context.Context, q Request) {
	for q.Len() > 0 {
		a := n.attempt(ctx, q)
		switch {
		case a.Verdict != Rejected && a.Verdict != Split || a.Each != nil:
			return
		case q.Len() == 1:
			n.refuse(q, a.Err)
			return
		case a.Verdict == Split:
			half := q.Len() / 2
			n.deliver(ctx, q.Slice(0, half))
			q = q.Slice(half, q.Len())
		case a.Bad.within(q):
			q = n.isolate(ctx, q, a)
		default:
			q = n.bisect(ctx, q)
		}
	}
}

// attempt sends a request once. It notes the outcome of its records, unless the
// answer refuses one of them or the size of the request.
func (n *Publication) attempt(ctx context.Context, q Request) Answer {
	if err := n.stopped(ctx); err != nil {
		n.Note(q, err)
		return Answer{Verdict: Retry, Err: err}
	}
	a := n.post(ctx, q)
	if a.Each != nil {
		n.noteEach(q, &a)
		return a
	}
	switch a.Verdict {
	case Delivered:
		n.Note(q, nil)
		n.progress()
	case Taken:
		n.progress()
	case Retry, Destination, Unauthorized:
		if n.took(q, a) {
			q = q.Slice(a.Bad.From, q.Len())
		}
		n.fail(q, a.Err)
	}
	return a
}

// took reports whether the server took the records before the bad one.
func (n *Publication) took(q Request, a Answer) bool {
	if !a.Bad.within(q) || a.Bad.From == 0 || a.Took == nil || !a.Took(q.Slice(0, a.Bad.From)) {
		return false
	}
	n.progress()
	return true
}

// noteEach notes the outcome of each record. An answer without an outcome for each tells
// nothing.
func (n *Publication) noteEach(q Request, a *Answer) {
	if len(a.Each) != q.Len() {
		*a = Answer{Verdict: Retry, Err: n.plan.Wrap(fmt.Errorf("the answer has %d outcomes for %d records", len(a.Each), q.Len())), Each: a.Each}
		n.fail(q, a.Err)
		return
	}
	for i, err := range a.Each {
		n.errs[q.First+i] = err
		switch {
		case err == nil:
			n.progress()
		case sink.IsPermanent(err):
			n.count(err)
		}
	}
	if a.Verdict == Retry || a.Verdict == Destination || a.Verdict == Unauthorized {
		n.halt(a.Err)
	}
}

// progress notes that the server took a record.
func (n *Publication) progress() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusedInRow = 0
}

// refuse notes a record that was refused alone.
func (n *Publication) refuse(q Request, err error) {
	n.Note(q, sink.Permanent(err))
	n.count(err)
}

// count counts a record that was refused, and halts the publication after too many.
func (n *Publication) count(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refusedInRow++; n.refusedInRow >= maxRefusedInRow && n.halted == nil {
		// The error of a refused record is not wrapped: it is no fault of the records that
		// share this one.
		n.halted = sink.Hint(fmt.Errorf("stopped after %d refused records in a row, the last with: %v", n.refusedInRow, err), failure.Hint(err))
	}
}

// isolate handles an answer that says where the bad record is. It returns the
// records after it, which must still be sent.
func (n *Publication) isolate(ctx context.Context, q Request, a Answer) (rest Request) {
	if !n.took(q, a) {
		n.deliver(ctx, q.Slice(0, a.Bad.From))
	}
	for i := a.Bad.From; i < a.Bad.To; i++ {
		n.deliver(ctx, q.Slice(i, i+1))
	}
	return q.Slice(a.Bad.To, q.Len())
}

// bisect finds the refused record of a request whose answer does not name it. On the
// way it delivers all records before it.
func (n *Publication) bisect(ctx context.Context, q Request) (rest Request) {
	begin, end := 0, q.Len()
	for end-begin > 1 {
		half := begin + (end-begin)/2
		if a := n.attempt(ctx, q.Slice(begin, half)); a.Each == nil && (a.Verdict == Rejected || a.Verdict == Split) {
			end = half
		} else {
			begin = half
		}
	}
	n.deliver(ctx, q.Slice(begin, end))
	return q.Slice(end, q.Len())
}

// Note stores the outcome of all records of a request; nil is delivered.
func (n *Publication) Note(q Request, err error) {
	for i := range q.Records {
		n.errs[q.First+i] = err
	}
}

// fail notes an error that is no fault of the records, and halts the publication:
// requests not yet sent would most likely get the same error, after many timeouts.
func (n *Publication) fail(q Request, err error) {
	n.Note(q, err)
	n.halt(err)
}

func (n *Publication) halt(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.halted == nil {
		n.halted = err
	}
}

func (n *Publication) stopped(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.halted == nil && ctx.Err() != nil {
		n.halted = n.plan.Wrap(context.Cause(ctx))
	}
	return n.halted
}

// report turns the records' errors into the result of Publish: nil, a plain error if
// all records failed with the same retryable error, or a BatchError.
func (n *Publication) report() error {
	var again, refused sink.BatchError
	reasons := map[error]bool{}
	for i, err := range n.errs {
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
	case len(again) == len(n.errs) && len(reasons) == 1:
		return again[0].Err
	case len(again)+len(refused) == 0:
		return nil
	}
	// The first error decides the hint and the lane's back-off, so retryable ones go
	// first.
	return append(again, refused...)
}
