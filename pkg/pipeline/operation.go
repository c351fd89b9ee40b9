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

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/cadence"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// maxWait is the longest pause between two attempts, unless an error asks for a longer
// one.
const maxWait = time.Minute

// operation is something that a lane does repeatedly and that may fail: read, open,
// publish, bury, save. It paces the attempts, logs failures without flooding the log, and
// reports why the lane is not well. One goroutine at a time attempts it. Its report may
// be read at any time.
type operation struct {
	name   string
	log    zerolog.Logger
	memory source.Memory // which another lane may have while this one waits
	wait   backoff.BackOff
	told   cadence.Cadence

	mu       sync.Mutex
	err      error     // of the last attempt; nil if it succeeded
	since    time.Time // the first failure in a row
	next     time.Time // when the next attempt is due
	failures int       // in a row
	asked    time.Time // when the attempt under way began; zero if none is
	slow     cadence.Cadence
	retries  map[string]uint64
}

func (o *operation) prepare(name string, log zerolog.Logger, memory source.Memory) {
	o.name, o.log, o.memory, o.retries = name, log, memory, map[string]uint64{}
	o.wait = backoff.NewExponentialBackOff(backoff.WithMultiplier(2),
		backoff.WithMaxInterval(maxWait), backoff.WithMaxElapsedTime(0))
}

// until attempts f until it succeeds. It returns the error of ctx, which ends the waiting
// between attempts, or sink.ErrMoved, after which no attempt can succeed.
func (o *operation) until(ctx context.Context, f func() error) error {
	for {
		err := o.attempt(f)
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

// pause records a failed attempt and waits until the next one is due. If ctx has ended,
// it takes that as the cause and records nothing.
func (o *operation) pause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.memory.Yield()
	return wait(ctx, o.failed(err))
}

// wait returns after d, or with the error of ctx if that ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed records a failure and returns the time to wait. It doubles, with jitter, up to
// maxWait, and is never less than the error asks for.
func (o *operation) failed(err error) time.Duration {
	wait := max(min(o.wait.NextBackOff(), maxWait), failure.RetryAfter(err))
	class := cmp.Or(failure.Class(err), o.name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.since = time.Now()
	}
	o.err, o.next = err, time.Now().Add(wait)
	o.failures++
	o.retries[class]++
	if o.told.Due(class) {
		line := o.log.Warn().Err(err).Str("class", class).Int("attempts", o.failures)
		if hint := failure.Hint(err); hint != "" {
			line = line.Str("hint", hint)
		}
		line.Stringer("retry_in", wait.Round(time.Millisecond)).Msg(o.name + " failed")
	}
	return wait
}

// succeeded ends a row of failures, if there is one.
func (o *operation) succeeded() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		return
	}
	failures := "1 failure"
	if o.failures > 1 {
		failures = fmt.Sprintf("%d failures", o.failures)
	}
	o.log.Info().Msgf("%s recovered after %s and %s", o.name, failures, time.Since(o.since).Round(time.Second))
	o.err, o.failures, o.told = nil, 0, cadence.Cadence{}
	o.wait.Reset()
}

// attempt calls f once. An attempt to read waits for events, which is no silence.
func (o *operation) attempt(f func() error) error {
	if o.name != "read" {
		defer o.asking(o.name)()
	}
	return f()
}

// silence is after how long without an answer the log says what is waited for.
const silence = 10 * time.Second

// asking records that an attempt begins: what is attempted, for people. The function that
// it returns records the end. Clients of some destinations retry by themselves for a
// minute, so no error would tell meanwhile that nobody is there.
func (o *operation) asking(what string) (answered func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = time.Now()
	tell := time.AfterFunc(silence, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil && o.slow.Due(what) { // What failed before was told.
			o.log.Info().Msgf("%s: no answer for %s; still waiting", what, silence)
		}
	})
	return func() {
		tell.Stop()
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = time.Time{}
	}
}

// waits returns how long the attempt under way has had no answer; 0 if none is.
func (o *operation) waits(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asked.IsZero() {
		return 0
	}
	return now.Sub(o.asked)
}

// trouble returns what fails, if it does.
func (o *operation) trouble() (t Trouble, failing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		return t, false
	}
	return Trouble{
		Operation: o.name, Err: o.err.Error(), Hint: failure.Hint(o.err),
		Since: o.since, Next: o.next, Attempts: o.failures, Refused: failure.IsRefused(o.err),
	}, true
}

func (o *operation) addRetries(to map[string]uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for class, n := range o.retries {
		to[class] += n
	}
}
