package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// publication is one Publish, with the outcome of each record.
type publication struct {
	client  *kafkaclient.Client
	records []kgo.Record
	errs    []error // of each record; nil: delivered
	spent   bool    // the client had an error and must not be used again
}

func (p *publication) run(ctx context.Context) {
	all := make([]int, len(p.records))
	for i := range all {
		all[i] = i
	}
	p.send(ctx, all)
	p.isolate(ctx, all)
}

// send produces the records at the given indices and sets their errors. It returns
// when the outcome of each is known, when ctx ends, or when the cluster refuses the
// client. In the last two cases it closes the client, since kgo releases records
// that may be in flight in no other way. When send returns, kgo no longer uses the
// records' memory.
func (p *publication) send(ctx context.Context, indices []int) {
	a := newAttempt(len(indices))
	promise := a.promise // allocated once, not for each record
	p.client.Hold()
	for _, i := range indices {
		p.records[i].Context = a.carrier
		p.client.Produce(a.carrier, &p.records[i], promise)
	}
	cause := p.stage(ctx, a)
	if cause == nil {
		a.sending.Store(true)
		p.client.Release()
		if p.client.Flush(ctx) != nil {
			cause = p.interrupted(ctx)
		}
	}
	if cause != nil {
		p.spent = true
		p.client.Close()
	}
	<-a.done
	p.note(indices, a.failures, cause)
}

// stage waits until every record has its partition. Nothing is sent before that.
// Otherwise a record could be written before an earlier one that failed and is
// retried.
func (p *publication) stage(ctx context.Context, a *attempt) error {
	select {
	case <-a.ready:
	case <-a.failed:
		return a.cause
	case <-p.client.Refused():
		return p.client.Trouble()
	case <-ctx.Done():
		return p.interrupted(ctx)
	}
	p.barrier()
	select {
	case <-a.failed:
		return a.cause
	default:
		return nil
	}
}

// barrier waits for the promises of all records that have failed so far. kgo calls
// promises one after the other; a record without a topic fails at once, and its
// promise comes last.
func (p *publication) barrier() {
	called := make(chan struct{})
	p.client.Produce(context.Background(), new(kgo.Record), func(*kgo.Record, error) { close(called) })
	<-called
}

// interrupted returns the error of ctx, with the client's trouble if it had any.
func (p *publication) interrupted(ctx context.Context) error {
	if trouble := p.client.Trouble(); trouble != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), trouble)
	}
	return ctx.Err()
}

// note stores the outcome of an attempt's records. A record that failed because the
// client was closed gets the cause of the closing.
func (p *publication) note(indices []int, failures []failure, cause error) {
	at := make(map[*kgo.Record]int, len(failures))
	for _, i := range indices {
		p.errs[i] = nil
		if len(failures) > 0 {
			at[&p.records[i]] = i
		}
	}
	for _, f := range failures {
		i := at[f.record]
		switch {
		case f.alone:
			p.errs[i] = p.reject(i, f.err)
		case cause != nil && errors.Is(f.err, kgo.ErrClientClosed):
			p.errs[i] = cause
		default:
			p.errs[i] = f.err
			p.spent = p.spent || !kafkaclient.IsBadBatch(f.err)
		}
	}
}

// isolate finds the bad records among several that Kafka refused together. It
// bisects them, and finishes the first half before it sends the second, so that their
// order stays. It stops if the client has another error; the lane then retries the
// rest.
func (p *publication) isolate(ctx context.Context, indices []int) {
	for _, refused := range p.refused(indices) {
		if len(refused) == 1 {
			// kgo fails a batch and all after it. One record alone is the whole batch.
			p.errs[refused[0]] = p.reject(refused[0], p.errs[refused[0]])
			continue
		}
		half := len(refused) / 2
		for _, part := range [][]int{refused[:half], refused[half:]} {
			if p.spent {
				return
			}
			p.send(ctx, part)
			p.isolate(ctx, part)
		}
	}
}

// refused returns the indices of records whose batch Kafka refused, by partition.
func (p *publication) refused(indices []int) map[int32][]int {
	groups := make(map[int32][]int)
	for _, i := range indices {
		if err := p.errs[i]; err != nil && kafkaclient.IsBadBatch(err) && !sink.IsPermanent(err) {
			partition := p.records[i].Partition
			groups[partition] = append(groups[partition], i)
		}
	}
	return groups
}

// reject returns the permanent error of record i, which Kafka or kgo refused.
func (p *publication) reject(i int, err error) error {
	return sink.Permanent(fmt.Errorf("record with a body of %d bytes: %w", len(p.records[i].Value), err))
}
