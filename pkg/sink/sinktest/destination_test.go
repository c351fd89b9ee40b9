package sinktest_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

var (
	errDown    = errors.New("destination is down")
	errRefused = errors.New("record is malformed")
	errClosed  = errors.New("sink is closed")
)

const malformed = "malformed"

// destination is a destination in memory that supports every hook of a Harness.
type destination struct {
	mu      sync.Mutex
	bodies  [][]byte
	takes   int           // records that it still takes before it fails; -1: all
	hanging chan struct{} // closed by Repair; nil if it does not hang
	reached chan struct{}
	late    func() // what a broken sink does after its Publish has returned

	publishing sync.WaitGroup
}

// close waits for each Publish, as a server waits for its requests.
func (d *destination) close() { d.publishing.Wait() }

func newDestination() *destination { return &destination{takes: -1} }

// take stores a copy of the record, or returns why it does not.
func (d *destination) take(r sink.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.takes == 0:
		return errDown
	case bytes.HasPrefix(r.Body, []byte(malformed)):
		return sink.Permanent(errRefused)
	case d.takes > 0:
		d.takes--
	}
	d.bodies = append(d.bodies, bytes.Clone(r.Body))
	return nil
}

// wait returns a channel that is closed once the destination no longer hangs.
func (d *destination) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hanging == nil {
		free := make(chan struct{})
		close(free)
		return free
	}
	if d.reached != nil {
		close(d.reached)
		d.reached = nil
	}
	return d.hanging
}

func (d *destination) received(testing.TB) [][]byte {
	if d.late != nil {
		d.late()
		d.late = nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.bodies...)
}

func (d *destination) falter(_ testing.TB, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takes = n
}

func (d *destination) hang(testing.TB) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hanging, d.reached = make(chan struct{}), make(chan struct{})
	return d.reached
}

func (d *destination) repair(testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takes = -1
	if d.hanging != nil {
		close(d.hanging)
		d.hanging = nil
	}
}

func (d *destination) harness(open func(*destination) sink.Sink) sinktest.Harness {
	n := 0
	return sinktest.Harness{
		Open:     func(testing.TB) sink.Sink { return open(d) },
		Received: d.received,
		Refused: func(testing.TB) sink.Record {
			n++
			return sink.Record{ID: malformed, Body: []byte(malformed + string(rune('a'+n)))}
		},
		Break:  func(t testing.TB) { d.falter(t, 0) },
		Falter: d.falter,
		Hang:   d.hang,
		Repair: d.repair,
	}
}

// good is a sink that keeps the contract. Tests replace one of its functions to
// break it.
type good struct {
	*destination
	closed  chan struct{}
	limits  sink.Limits
	publish func(g *good, ctx context.Context, batch []sink.Record) error
	close   func(g *good) error
}

func newGood(d *destination) *good {
	return &good{destination: d, closed: make(chan struct{}), publish: publishEach, close: closeOnce}
}

func (g *good) Publish(ctx context.Context, batch []sink.Record) error {
	g.publishing.Add(1)
	defer g.publishing.Done()
	return g.publish(g, ctx, batch)
}

func (g *good) Close() error { return g.close(g) }

func (g *good) Limits() sink.Limits { return g.limits }

func (g *good) Check(context.Context) (string, error) { return "in memory", nil }

func closeOnce(g *good) error {
	close(g.closed)
	return nil
}

func (g *good) await(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-g.wait():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-g.closed:
		return errClosed
	}
}

// publishEach publishes record by record and names those that were not taken.
func publishEach(g *good, ctx context.Context, batch []sink.Record) error {
	if len(batch) == 0 {
		return nil
	}
	if err := g.await(ctx); err != nil {
		return err
	}
	var partial sink.BatchError
	for i := range batch {
		if err := g.take(batch[i]); err != nil {
			partial = append(partial, sink.RecordError{Index: i, Err: err})
		}
	}
	if len(partial) == 0 {
		return nil
	}
	return partial
}

// publishWhole publishes all of a batch or nothing, and does not know which record
// is bad.
func publishWhole(g *good, ctx context.Context, batch []sink.Record) error {
	for _, r := range batch {
		if bytes.HasPrefix(r.Body, []byte(malformed)) {
			return sink.Permanent(errRefused)
		}
	}
	return firstOf(publishEach(g, ctx, batch))
}

// publishUpToFailure stops at the first record that is not taken, and reports
// the others as not tried.
func publishUpToFailure(g *good, ctx context.Context, batch []sink.Record) error {
	if err := g.await(ctx); err != nil && len(batch) > 0 {
		return err
	}
	for i := range batch {
		err := g.take(batch[i])
		if err == nil {
			continue
		}
		partial := sink.BatchError{{Index: i, Err: err}}
		for j := i + 1; j < len(batch); j++ {
			partial = append(partial, sink.RecordError{Index: j, Err: errors.New("not tried")})
		}
		return partial
	}
	return nil
}

// firstOf turns a BatchError into a plain error: the outcome is unknown.
func firstOf(err error) error {
	if partial, ok := errors.AsType[sink.BatchError](err); ok {
		return partial[0].Err
	}
	return err
}
