package sink

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// History is a Sink that can find out whether its lane has delivered before. A lane
// without a position asks it before the first read: if the position was lost, a
// lane that starts anew would skip events or deliver them again.
type History interface {
	// Traces looks for records that the lane delivered in earlier runs. It publishes
	// nothing, fences nobody, and reads a bounded amount. An error is retried. Missing
	// permission to read is no error: Found reports it.
	Traces(ctx context.Context) (Traces, error)
}

// Traces are what earlier runs of a lane left behind. The zero value is none.
type Traces struct {
	Found  string    // what was found and where, as a clause: "topic audit holds records of the lane"; empty: nothing
	Proof  bool      // only this lane can have left it; the lane does not start until a person sets its position
	Newest time.Time // event time of the newest record found; zero if unknown
}

// mostOthers is how many other lanes a trace names. There may be thousands, and each of
// them may report the others.
const mostOthers = 5

// TracesOfOthers are the positions of other lanes in a place, such as "topic
// sluice.positions". They prove nothing about a lane.
func TracesOfOthers(place string, lanes []string) Traces {
	if len(lanes) == 0 {
		return Traces{}
	}
	names := strings.Join(lanes[:min(len(lanes), mostOthers)], ", ")
	if more := len(lanes) - mostOthers; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return Traces{Found: fmt.Sprintf("%s holds positions of other lanes (%s)", place, names)}
}

// TestAction is the action of the event that `sluice check --send-test` writes. That
// event belongs to no lane's log, so it is no trace of a lane.
const TestAction = "sluice.test"

// IsNote reports whether records of an action carry notes of package evidence. They are
// traces of a lane, but no events: their time is not Traces.Newest.
func IsNote(action string) bool {
	return action == "sluice.open" || action == "sluice.seal" || action == "sluice.statement"
}
