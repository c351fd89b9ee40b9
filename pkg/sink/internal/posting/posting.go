// Package posting is what sinks over HTTP share: it cuts a batch into requests, compresses
// and sends them concurrently, finds the record that makes a server refuse a request, and
// turns the outcome of each record into the error of a Publish.
//
// # Use
//
// A sink has a Publisher and a Client. It says how a record is encoded (Publisher.Append),
// how encoded records are joined (Framing), and what an answer means (Answer, often by a
// table of Statuses):
//
//	p := posting.NewPublisher(posting.Plan{Framing: posting.NDJSON, Append: encode, MaxBytes: 1 << 20, MaxRecords: 500, Concurrency: 8, Wrap: client.Wrap})
//	err := p.Publish(ctx, batch, func(ctx context.Context, q posting.Request) posting.Answer {
//		sent, err := q.Encode(posting.Gzip)
//		…
//		reply, rule, err := client.Post(ctx, request, sent, statuses.Reply)
//		if err != nil {
//			return posting.Answer{Verdict: posting.Retry, Err: err}
//		}
//		return posting.Answer{Verdict: rule.Verdict, Err: client.Fault(reply, rule)}
//	})
//
// Three kinds of servers are served. A server that answers with a status alone gives one
// verdict about a whole request. One that answers with the outcome of each record
// (Elasticsearch) sets Answer.Each. One that names the bad record, and confirms the others
// later (Splunk), sets Answer.Bad, answers Taken, and notes the outcome of each request with
// Publication.Note.
//
// # What is sent again
//
// Nothing is retried within a Publish, since the lane retries. (net/http itself makes a
// request again only if it wrote nothing of it, or the server says that it took nothing of
// it.) Three things are sent again:
// what an answer refused only together with others, the half of what was too large, and a
// request whose credential was refused while another one may be accepted (see Credential).
// The first fault that is not a record's halts the publication: requests that were not
// sent yet would most likely get the same one, after many time-outs.
//
// # Files
//
// request cuts a batch, compression encodes it, publication sends it, answer and status say
// what answers mean; client makes requests; credential, signature and grant are how requests
// are authorized.
package posting

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Plan is how a Publisher sends batches.
type Plan struct {
	// Append appends an encoded record. An error is the outcome of that record, which is
	// then not sent; mark it with sink.Permanent if it is a fault of the record.
	Append  func(dst []byte, r *sink.Record) ([]byte, error)
	Framing Framing

	MaxBytes    int // largest request before compression; a larger record is sent alone
	MaxRecords  int // most records in a request
	Concurrency int // most requests in flight; with 1 the records keep their order

	// Alone reports whether the next request goes alone, before any other; nil: never. A
	// client may learn something from the first answer.
	Alone func() bool

	// Wrap adds the operation to an error.
	Wrap func(error) error
}

// Publisher sends batches. Its methods are called as those of a sink.Sink are.
type Publisher struct {
	plan     Plan
	expected int // size of the next request, from the last one

	closing context.Context // ends with Close
	close   context.CancelFunc
}

// NewPublisher returns a publisher. Close it.
func NewPublisher(plan Plan) *Publisher {
	p := &Publisher{plan: plan}
	p.closing, p.close = context.WithCancel(context.Background())
	return p
}

// Close ends an unfinished Publish, whose records then have an unknown outcome.
func (p *Publisher) Close() { p.close() }

var errClosed = errors.New("sink is closed")

// Publish sends a batch. Post sends one request once, and is called concurrently.
func (p *Publisher) Publish(ctx context.Context, batch []sink.Record, post func(context.Context, Request) Answer) error {
	return p.Run(ctx, batch, func(ctx context.Context, n *Publication) error {
		n.Send(ctx, post)
		return nil
	})
}

// Run calls work with the publication of a batch, unless there is nothing to do. The context
// ends with Close, too. It returns the error of work, or what the publication reports.
func (p *Publisher) Run(ctx context.Context, batch []sink.Record, work func(context.Context, *Publication) error) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.closing, func() { cancel(errClosed) })()
	if p.closing.Err() != nil {
		return p.plan.Wrap(errClosed)
	}
	if ctx.Err() != nil {
		return p.plan.Wrap(ctx.Err())
	}
	n := newPublication(p, batch)
	if err := work(ctx, n); err != nil {
		return err
	}
	return n.report()
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
