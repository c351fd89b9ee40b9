package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

// session is the check of one rule.
type session struct {
	testing.TB
	Harness
	log      Log       // of the Harness: testing.TB has a Log, too
	began    time.Time // the time of the newest events, at most two seconds ago
	made     int       // events made so far
	stuck    bool      // a method has not returned
	reported error     // the last error of the source, apart from those of a context that ended
}

// events makes n new events, a second apart, the last one of them at a time.
func (s *session) events(n int, last time.Time) []Event {
	return s.spread(n, last, time.Second)
}

// spread makes n new events. Each is so much later than the one before.
func (s *session) spread(n int, last time.Time, apart time.Duration) []Event {
	events := make([]Event, n)
	for i := range events {
		s.made++
		at := last.Add(time.Duration(i+1-n) * apart).Truncate(s.Precision)
		events[i] = Event{ID: fmt.Sprintf("event-%06d", s.made), Time: at}
	}
	return events
}

// append adds n new events to the log. The last of them has the given age.
func (s *session) append(n int, age time.Duration) []Event {
	events := s.events(n, s.began.Add(-age))
	s.log.Append(events...)
	return events
}

// await runs f and fails if it does not return within twice the patience. That leaves f
// time to return after a context of its own has ended.
func (s *session) await(what string, f func()) {
	s.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(2 * s.Patience):
		s.stuck = true
		s.Fatalf("%s has not returned after %s: everything that waits needs the context, and Close ends the requests in flight", what, 2*s.Patience)
	}
}

// once calls f with a context that ends when patience runs out.
func (s *session) once(what string, f func(context.Context) error) (err error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.Patience)
	defer cancel()
	s.await(what, func() { err = f(ctx) })
	s.note(err)
	return err
}

// retry calls f until it succeeds. It returns false if f does not before patience runs out.
func (s *session) retry(what string, f func(context.Context) error) (ok bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), s.Patience)
	defer cancel()
	for {
		var err error
		s.await(what, func() { err = f(ctx) })
		s.note(err)
		if err == nil || ctx.Err() != nil {
			return err == nil
		}
		select {
		case <-time.After(max(failure.RetryAfter(err), time.Millisecond)):
		case <-ctx.Done():
			return false
		}
	}
}

// note keeps an error for said. That a context has ended is no news.
func (s *session) note(err error) {
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		s.reported = err
	}
}

// said is the last error that the source reported, for a failure.
func (s *session) said() string {
	if s.reported == nil {
		return "the source reported no error"
	}
	return fmt.Sprintf("the last error of the source: %v", s.reported)
}

// wantClass requires that an error has a class and is not about the position.
func (s *session) wantClass(what string, err error) {
	s.Helper()
	switch {
	case err == nil:
		s.Errorf("%s returned no error although every request fails", what)
	case errors.Is(err, context.DeadlineExceeded):
		s.Errorf("%s has not returned the error of a request within %s although every request fails: leave the retries to the caller", what, s.Patience)
	case failure.Class(err) == "":
		s.Errorf("%s: the error has no class, as source.Error has: %v", what, err)
	case errors.Is(err, source.ErrUnusable):
		s.Errorf("%s: a failed request is reported as an unusable position: %v", what, err)
	}
}
