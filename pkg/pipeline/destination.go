package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

const (
	// overdue is how long a sink may take to return from a Publish whose context ended,
	// and from Close.
	overdue = 5 * time.Second
	// overdueAtEnd replaces overdue once the lane's time to stop is over.
	overdueAtEnd = time.Second
	// slow is after how long without an answer a sink's lane lets another have its memory. A
	// sink whose destination is gone may take until its time is over.
	slow = 20 * time.Second
)

// destination opens a lane's sink and calls it. It abandons a sink that hangs, and opens
// another.
type destination struct {
	lane    *Lane
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
	return d.lane.opening.until(ctx, func() (err error) {
		within, cancel := context.WithTimeout(ctx, d.lane.PublishTimeout)
		defer cancel()
		opened, err := d.lane.Open(within)
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
	d.sink, d.limits = s, limits.WithDefaults()
	if d.lane.Evidence != nil && !d.keepsPosition() {
		d.limits.Records = min(d.limits.Records, settleWithNotes)
	}
	d.timeout = max(d.lane.PublishTimeout, d.limits.Timeout)
}

// publish hands a batch to the sink once.
func (d *destination) publish(ctx context.Context, batch []sink.Record) error {
	what := fmt.Sprintf("publish of %d records", len(batch))
	defer d.asking(what)()
	s := d.sink
	return d.attempt(ctx, what,
		func(ctx context.Context) error { return s.Publish(ctx, batch) })
}

// asking records that a Publish begins. The log tells of one that takes long only as long
// as the sink has accepted nothing: after that it may be slow.
func (d *destination) asking(what string) (answered func()) {
	begun := d.lane.state.asking()
	if d.lane.state.accepted() {
		return begun
	}
	told := d.lane.publishing.asking(what)
	return func() { told(); begun() }
}

// attempt calls f, which calls the sink. If f returns neither within its time nor soon
// after, the sink is abandoned: the outcome is unknown, and the next attempt opens
// another. Both may read the same batch, which is safe: nobody writes to a batch that
// was given to a sink.
func (d *destination) attempt(ctx context.Context, what string, f func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	began := time.Now()
	yield := time.AfterFunc(slow, d.lane.Memory.Yield)
	defer yield.Stop()
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
	old, log := d.sink, d.lane.log
	d.sink = nil
	d.abandoned++
	go func() {
		if err := old.Close(); err != nil {
			log.Warn().Err(err).Msg("close of an abandoned sink failed")
		}
	}()
}

// close closes the sink if one is open. It waits only briefly, since everything published
// is settled by then.
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
		return errors.New("close sink: it did not return and was abandoned")
	}
}

func patience(ctx context.Context) time.Duration {
	if ctx.Err() != nil {
		return overdueAtEnd
	}
	return overdue
}
