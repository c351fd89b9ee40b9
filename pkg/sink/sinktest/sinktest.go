// Package sinktest is a conformance suite for sinks. It checks a sink, built-in or
// a third party's, against the contract in package sink, and uses it as a lane
// would.
//
//	func TestContract(t *testing.T) {
//		sinktest.Run(t, func(t testing.TB) sinktest.Harness {
//			hook := newFakeWebhook(t)
//			return sinktest.Harness{
//				Open:     func(t testing.TB) sink.Sink { return open(t, hook.URL) },
//				Received: func(testing.TB) [][]byte { return hook.bodies() },
//			}
//		})
//	}
//
// The suite needs only Open and Received. Each further hook of the Harness puts the
// destination into a state of trouble. With it the suite checks what sinks most
// often get wrong: no record may be lost or rejected because a destination was
// down, slow, or took half a batch. Supply a hook for every state that the
// destination can get into. The suite logs what it did not check because a hook is
// missing.
//
// Run the suite with the race detector. It overwrites the memory of a batch right
// after Publish returned, and so finds a sink that still reads it from a goroutine
// or a buffer. With a destination in memory the suite takes less than a second.
//
// RunLedger checks a sink that stores its lane's position, a sink.Ledger.
//
// If the first rule fails, the others are not checked: they rely on it. Each failure
// says what was expected and what to do. After a failure the suite repairs the
// destination, so that a sink which hangs does not block the clean-ups.
//
// The suite cannot check whether the destination keeps the records that it took.
// The sink's documentation must define what a nil from Publish means, and the sink's
// own tests must prove it.
package sinktest

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Harness is one destination and the hooks that control it. Its functions may fail
// the test with t.
type Harness struct {
	// Open opens the sink as a new lane does. All sinks opened from one Harness
	// publish to the same destination, one after the other.
	Open func(t testing.TB) sink.Sink

	// Received returns the bodies of the records that the destination has taken,
	// oldest first, without what the sink wraps around them. It need not wait for
	// records still in flight; the suite calls it again.
	Received func(t testing.TB) [][]byte

	// Record makes a record that the destination takes, a different one for every n,
	// in memory that nobody else uses. Its body has size bytes; if size is 0, Record
	// chooses. Default: JSON objects full of awkward text.
	Record func(n, size int) sink.Record

	// Refused makes a record that the destination refuses for good, such as one
	// that is malformed. Nil: it refuses none.
	Refused func(t testing.TB) sink.Record

	// Break makes the destination fail until Repair: it takes no record, and every
	// Publish gets an error. Nil: the sink cannot notice a failure, as with UDP.
	Break func(t testing.TB)

	// Falter makes the destination take n more records and then fail until Repair,
	// like a disk that fills up in the middle of a batch. Nil: it takes a batch as a
	// whole or not at all.
	Falter func(t testing.TB, n int)

	// Hang makes the destination accept a Publish and then do nothing until
	// Repair. The channel is closed once a Publish hangs. Nil: it cannot hang.
	Hang func(t testing.TB) <-chan struct{}

	// Repair ends the trouble of Break, Falter or Hang. Required with any of them.
	Repair func(t testing.TB)

	// Patience is how long the suite waits for a method to return or a record to
	// arrive. Default 10 s.
	Patience time.Duration
}

// Run checks every rule of the contract in a subtest of its own. For each it calls
// setup, which returns a fresh destination and registers what must be torn down
// with t.Cleanup.
func Run(t *testing.T, setup func(t testing.TB) Harness) {
	t.Helper()
	suite.Run(t, setup)
}
