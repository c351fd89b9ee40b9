package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// maxWait is the longest pause between two attempts that nobody asked for.
const maxWait = time.Minute

// operation is something that a lane does over and over and that may fail: read,
// open, publish, bury, save. It paces the attempts, tells of failures without
// flooding the log, and says for people why the lane is not well. One goroutine
// at a time attempts it; what it says may be asked at any time.
type operation struct {
	name string
	log  zerolog.Logger
	wait backoff.BackOff
	told cadence

	mu       sync.Mutex
	err      error     // of the last attempt; nil if it succeeded
	since    time.Time // the first failure in a row
	failures int       // in a row
	retries  map[string]uint64
}

func (o *operation) prepare(name string, log zerolog.Logger) {
	o.name, o.log, o.retries = name, log, map[string]uint64{}
	o.wait = backoff.NewExponentialBackOff(backoff.WithMultiplier(2),
		backoff.WithMaxInterval(maxWait), backoff.WithMaxElapsedTime(0))
}

// until attempts f until it succeeds. The error is that of ctx, which ends the
// waiting between attempts, or sink.ErrMoved, which no attempt mends.
func (o *operation) until(ctx context.Context, f func() error) error {
	for {
		err := f()
		switch {
		case err == nil:
			o.succeeded()
			return nil
		case errors.Is(err, sink.ErrMoved):
			return err
		}
		if err := o.pause(ctx, err); err != nil {
			return err
		}
	}
}

// pause notes that an attempt failed and waits until the next one is due. If ctx
// has ended, the failure is taken to be of that and not noted.
func (o *operation) pause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(o.failed(err))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed notes a failure and says how long to wait: exponentially longer, with
// jitter, up to maxWait, and never less than the error asks for.
func (o *operation) failed(err error) time.Duration {
	wait := max(min(o.wait.NextBackOff(), maxWait), floor(err))
	class := cmp.Or(class(err), o.name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.since = time.Now()
	}
	o.err = err
	o.failures++
	o.retries[class]++
	if o.told.due(class) {
		line := o.log.Warn().Err(err).Str("class", class).Int("attempts", o.failures)
		if hint := hint(err); hint != "" {
			line = line.Str("hint", hint)
		}
		line.Stringer("retry_in", wait.Round(time.Millisecond)).Msg(o.name + " failed")
	}
	return wait
}

// succeeded ends a row of failures, if there was one.
func (o *operation) succeeded() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		return
	}
	o.log.Info().Msgf("%s recovered after %d failures and %s", o.name, o.failures, time.Since(o.since).Round(time.Second))
	o.err, o.failures, o.told = nil, 0, cadence{}
	o.wait.Reset()
}

// trouble says for people what fails, and is empty if nothing does.
func (o *operation) trouble() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		return ""
	}
	text := fmt.Sprintf("%s: %v (retrying since %s, %d attempts)", o.name, o.err, o.since.UTC().Format(time.RFC3339), o.failures)
	if hint := hint(o.err); hint != "" {
		text += "; hint: " + hint
	}
	return text
}

func (o *operation) addRetries(to map[string]uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for class, n := range o.retries {
		to[class] += n
	}
}

// floor is the least time that err asks to wait.
func floor(err error) time.Duration {
	if e, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		return e.RetryAfter()
	}
	return 0
}

// class is the kind of trouble that err is, for metrics and for when to log
// again; empty if it does not say.
func class(err error) string {
	if e, ok := errors.AsType[interface {
		error
		ErrorClass() string
	}](err); ok {
		return e.ErrorClass()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return ""
}

// hint is what a person can do about err; empty if it does not say.
func hint(err error) string {
	if e, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return e.Hint()
	}
	return ""
}
