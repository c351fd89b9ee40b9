package sinktest_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// recorder is a test that fails without failing the one around it.
type recorder struct {
	testing.TB // what is not overridden

	ctx      context.Context
	mu       sync.Mutex
	failures []string
	logs     []string
	cleanups []func()
}

// record runs f as a test of its own, with its clean-ups, and returns what it
// reported.
func record(t *testing.T, f func(testing.TB)) *recorder {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &recorder{TB: t, ctx: ctx}
	r.call(func() { f(r) })
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		r.call(last)
	}
	return r
}

// call outlives a Goexit of f.
func (r *recorder) call(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Helper()                  {}
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
