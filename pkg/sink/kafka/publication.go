package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// publication is one Publish, and what becomes of each record in it.
type publication struct {
	client  *kafkaclient.Client
	records []kgo.Record
	errs    []error // of each record; nil: delivered
	spent   bool    // the client met an error and must not be used again
}

func (p *publication) run(ctx context.Context) {
	all := make([]int, len(p.records))
	for i := range all {
		all[i] = i
	}
	p.send(ctx, all)
	p.isolate(ctx, all)
}

// send produces the records at the given indices and fills in their errors. It
// returns when the outcome of each is known, or ctx ended, or it is clear that
// the cluster does not let us in; in the latter cases it closes the client, for
// kgo does not let go of records that may be on their way in any other manner.
// In every case kgo is done with the records' memory when send returns.
func (p *publication) send(ctx context.Context, indices []int) {
	a := newAttempt(len(indices))
	promise := a.promise // made once, and not for each record
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
	p.settle(indices, a.failures, cause)
}

// stage waits until every record has its partition. Nothing is sent before:
// otherwise records that come after one that failed would be written, although
// it, tried again, is to come before them.
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

// barrier returns when the promises of all records have been called that failed
// until now: kgo calls promises one after the other, and that of a record
// without a topic, which fails at once, after those.
func (p *publication) barrier() {
	called := make(chan struct{})
	p.client.Produce(context.Background(), new(kgo.Record), func(*kgo.Record, error) { close(called) })
	<-called
}

// interrupted says that ctx ended, and what the client was held up by.
func (p *publication) interrupted(ctx context.Context) error {
	if trouble := p.client.Trouble(); trouble != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), trouble)
	}
	return ctx.Err()
}

// settle writes down how an attempt ended for its records. What failed only
// because the client was closed failed for the cause of that.
func (p *publication) settle(indices []int, failures []failure, cause error) {
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
			p.spent = p.spent || !verdict(f.err)
		}
	}
}

// verdict reports whether Kafka refused a batch for what is in it.
func verdict(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) ||
		errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord)
}

// isolate finds out which records Kafka meant where it refused several
// together: it sends the halves of what was refused, the first half to the end
// before the second, so that their order stays. A client that met another
// error in between ends it; what is left then is tried again by the lane.
func (p *publication) isolate(ctx context.Context, indices []int) {
	for _, refused := range p.refused(indices) {
		if len(refused) == 1 {
			// kgo fails a batch and all behind it. One record is a batch alone.
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

// refused returns those of the indices whose batch Kafka refused, by partition.
func (p *publication) refused(indices []int) map[int32][]int {
	groups := make(map[int32][]int)
	for _, i := range indices {
		if err := p.errs[i]; err != nil && verdict(err) && !sink.IsPermanent(err) {
			partition := p.records[i].Partition
			groups[partition] = append(groups[partition], i)
		}
	}
	return groups
}

// reject says that the record at i is what Kafka, or kgo by its rules, refuses.
func (p *publication) reject(i int, err error) error {
	return sink.Permanent(fmt.Errorf("record with a body of %d bytes: %w", len(p.records[i].Value), err))
}
