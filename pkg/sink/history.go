package sink

import (
	"context"
	"time"
)

// History is a Sink that can tell whether its lane has delivered before. A lane
// without a position asks it before it begins: the position may be lost, and then
// the lane would skip events or deliver them again.
type History interface {
	// Traces looks for what the lane delivered in earlier runs. It publishes nothing,
	// takes nothing, and reads a bounded amount. An error is retried; what may not be
	// read is told in Found instead.
	Traces(ctx context.Context) (Traces, error)
}

// Traces are what earlier runs of a lane left behind. The zero value is none.
type Traces struct {
	Found  string    // what was found and where, as a clause: "topic audit holds records of the lane"; empty: nothing
	Proof  bool      // nobody but this lane left it; a lane does not begin anew then until a person says where
	Newest time.Time // of the event of the newest record found; zero if not known
}

// TestAction is the action of the event that `sluice check --send-test` writes. It
// is of no lane's log, and so no trace of a lane.
const TestAction = "sluice.test"
