// Package recorder runs a check of a conformance suite and returns what the check
// reported. It tests the suites themselves: they must catch a broken sink or source.
package recorder

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Recorder is a testing.TB whose failures do not fail the surrounding test.
type Recorder struct {
	testing.TB
	Failures []string
	Logs     []string

	ctx      context.Context
	mu       sync.Mutex
	cleanups []func()
}

// Record runs f and its clean-ups, and returns what f reported.
func Record(t *testing.T, f func(testing.TB)) *Recorder {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &Recorder{TB: t, ctx: ctx}
	r.call(func() { f(r) })
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		r.call(last)
	}
	return r
}

// call runs f in a goroutine of its own, so that Fatalf ends f alone.
func (r *Recorder) call(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *Recorder) Context() context.Context { return r.ctx }
func (r *Recorder) Helper()                  {}
func (r *Recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }

func (r *Recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.Failures) > 0
}

func (r *Recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Logs = append(r.Logs, fmt.Sprintf(format, args...))
}

func (r *Recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

func (r *Recorder) FailNow() { runtime.Goexit() }

func (r *Recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
