package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// overdue is how long a sink may take to return once it has to: from a
	// Publish whose context ended, and from Close.
	overdue = 5 * time.Second
	// overdueAtEnd is the same once the lane's time to stop is over.
	overdueAtEnd = time.Second
)

// destination is a lane's sink through being opened, used, abandoned and opened
// again.
type destination struct {
	*Lane
	sink    sink.Sink // nil while none is open
	limits  sink.Limits
	timeout time.Duration

	abandoned int // calls that were abandoned, each of which may read its batch for as long as it hangs
}

// ready opens the sink unless it is open, trying until ctx ends.
func (d *destination) ready(ctx context.Context) error {
	if d.sink != nil {
		return nil
	}
	return d.opening.until(ctx, func() (err error) {
		within, cancel := context.WithTimeout(ctx, d.PublishTimeout)
		defer cancel()
		opened, err := d.Open(within)
		if err != nil {
			return err
		}
		d.use(opened)
		return nil
	})
}

func (d *destination) use(s sink.Sink) {
	var limits sink.Limits
	if l, ok := s.(sink.Limiter); ok {
		limits = l.Limits()
	}
	d.sink, d.limits = s, withDefaults(limits)
	d.timeout = max(d.PublishTimeout, d.limits.Timeout)
}

// withDefaults fills in the defaults that package sink gives for the limits of a
// batch.
func withDefaults(l sink.Limits) sink.Limits {
	l.Records = cmp.Or(l.Records, 10_000)
	l.Bytes = cmp.Or(l.Bytes, 4<<20)
	return l
}

// publish hands a batch to the sink once.
func (d *destination) publish(ctx context.Context, batch []sink.Record) error {
	began := time.Now()
	defer func() { d.state.observe(time.Since(began)) }()
	s := d.sink
	return d.attempt(ctx, fmt.Sprintf("publish of %d records", len(batch)),
		func(ctx context.Context) error { return s.Publish(ctx, batch) })
}

// attempt calls f, which asks something of the sink. One that neither returns
// within its time nor soon after is abandoned: its outcome is unknown, and what is
// tried next is tried with a sink opened anew. The memory of a batch is left to
// both, which is safe since from then on nobody writes to what was handed to a sink.
func (d *destination) attempt(ctx context.Context, what string, f func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	began := time.Now()
	outcome := make(chan error, 1)
	go func() { outcome <- f(within) }()
	select {
	case err := <-outcome:
		return err
	case <-within.Done():
	}
	timer := time.NewTimer(patience(ctx))
	defer timer.Stop()
	select {
	case err := <-outcome:
		return err
	case <-timer.C:
		d.abandon()
		return fmt.Errorf("%s was abandoned after %s, outcome unknown: %w",
			what, time.Since(began).Round(time.Millisecond), within.Err())
	}
}

// abandon leaves the sink to a goroutine of its own, because closing it may take
// as long as the Publish that hangs in it.
func (d *destination) abandon() {
	old, log := d.sink, d.log
	d.sink = nil
	d.abandoned++
	go func() {
		if err := old.Close(); err != nil {
			log.Warn().Err(err).Msg("close of an abandoned sink failed")
		}
	}()
}

// close releases the sink if one is open. One that does not return soon is left
// behind: all it was asked to take is settled by then.
func (d *destination) close(ctx context.Context) error {
	if d.sink == nil {
		return nil
	}
	closed := make(chan error, 1)
	go func(s sink.Sink) { closed <- s.Close() }(d.sink)
	d.sink = nil
	timer := time.NewTimer(patience(ctx))
	defer timer.Stop()
	select {
	case err := <-closed:
		if err != nil {
			return fmt.Errorf("close sink: %w", err)
		}
		return nil
	case <-timer.C:
		return errors.New("close sink: it did not return and was left behind")
	}
}

func patience(ctx context.Context) time.Duration {
	if ctx.Err() != nil {
		return overdueAtEnd
	}
	return overdue
}
