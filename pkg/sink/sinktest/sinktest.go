// Package sinktest is a conformance suite for sinks: it holds any of them, ours
// or a third party's, against the contract in package sink, the way a lane
// would use it.
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
// Open and Received are all that it needs. Each further hook of the Harness puts
// the destination into a state of trouble, and lets the suite check what most
// often goes wrong in sinks: that nothing is lost or given up for good because
// a destination was down, slow, or took half a batch. Supply all that the
// destination can get into. What was not checked for want of a hook is logged.
//
// Run the suite with the race detector. It writes over the memory of a batch
// right after Publish returned, so that a sink that still reads there, from a
// goroutine or a buffer, is found.
//
// A sink that keeps its lane's position, a sink.Ledger, is held to that by RunLedger
// as well.
//
// What the suite cannot know is whether the destination keeps what it took. What
// a nil of Publish means is for the sink's documentation to say, and for tests
// of its own to prove.
package sinktest

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Harness is a destination of its own and the ways to reach it. Its functions
// may fail the test by t.
type Harness struct {
	// Open opens the sink as for a new lane. All sinks opened from one Harness
	// publish to the same destination, one after the other.
	Open func(t testing.TB) sink.Sink

	// Received returns the bodies of the records that the destination took so
	// far, oldest first, freed of whatever the sink wraps around them. It may
	// return before a record has arrived that is still on its way; the suite
	// asks again.
	Received func(t testing.TB) [][]byte

	// Record makes a record that the destination takes, another for every n, in
	// memory that nobody else uses. Its body has size bytes, or as many as it
	// likes if size is 0. Default: JSON objects full of awkward text.
	Record func(n, size int) sink.Record

	// Refused makes a record that the destination refuses for good, such as one
	// that is malformed. Nil: it refuses none.
	Refused func(t testing.TB) sink.Record

	// Break makes the destination fail until Repair: it takes nothing, and what
	// is published meets an error. Nil: it cannot fail so that the sink learns
	// of it, as with UDP.
	Break func(t testing.TB)

	// Falter makes the destination take n more records and fail after them until
	// Repair, as a disk does that fills up in the middle of a batch. Nil: it
	// takes a batch as a whole or not at all.
	Falter func(t testing.TB, n int)

	// Hang makes the destination accept a Publish and then do nothing until
	// Repair. The channel is closed once a Publish has met that. Nil: it cannot
	// hang.
	Hang func(t testing.TB) <-chan struct{}

	// Repair ends what Break, Falter or Hang began. Needed with any of them.
	Repair func(t testing.TB)

	// Patience is how long the suite waits for what must happen: for a method to
	// return, for a record to arrive. Default 10 s.
	Patience time.Duration
}

// Run checks every rule of the contract in a subtest of its own. It calls setup
// for each, which returns a fresh destination; what has to be torn down is for
// setup to hand to t.Cleanup.
func Run(t *testing.T, setup func(t testing.TB) Harness) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.run(t, setup(t)) })
	}
}

// rule is one thing that the contract demands.
type rule struct {
	name  string
	needs func(Harness) (hook string, missing bool) // nil: nothing
	check func(*session)
}

func (r rule) run(t testing.TB, h Harness) {
	t.Helper()
	if r.needs != nil {
		if hook, missing := r.needs(h); missing {
			t.Logf("not checked: Harness.%s is nil, so the destination has no such state", hook)
			return
		}
	}
	r.check(newSession(t, h))
}
