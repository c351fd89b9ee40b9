// Package sourcetest is a conformance suite for any source, built-in or a third party's.
// It reads the source as a lane does, and checks it against the contract in package
// source.
//
//	func TestContract(t *testing.T) {
//		sourcetest.Run(t, func(t testing.TB) sourcetest.Harness {
//			log := &sourcetest.Memory{}
//			server := httptest.NewServer(render(log))
//			t.Cleanup(server.Close)
//			return sourcetest.Harness{
//				Log:   log,
//				Open:  func(t testing.TB) source.Source { return open(t, server.URL, "acme") },
//				Other: func(t testing.TB) source.Source { return open(t, server.URL, "other") },
//			}
//		})
//	}
//
// The suite scripts a log: its events, and the faults of requests. Memory is such a log.
// You only write a handler that calls Memory.List for a page and renders it as the vendor
// does: the status, the wait, the events, and the cursor. A simulator of the vendor's API
// can replace Memory.
//
// Open the source with a short poll interval, without a request limit, and with an overlap
// of ten minutes or more. Run the suite with the race detector. Over HTTP it takes about
// five seconds, and three to four times as long with the race detector.
//
// If the first rule fails, the others are not checked: they rely on it. Each failure says
// what was expected and what to do.
//
// The suite checks only the id, time and order of events. The source's own tests must
// compare the rest of an event with the vendor's documentation.
package sourcetest

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Harness is a log and the sources that read it. Its functions may fail the test through
// t.
type Harness struct {
	Log Log

	// Open opens the source as a new process does. The suite closes it.
	Open func(t testing.TB) source.Source

	// Other opens a source of the same type that reads another log. Each must refuse the
	// positions of the other.
	Other func(t testing.TB) source.Source

	// Precision is what the times of the vendor are a multiple of, at most a second. The
	// suite uses only such times. Default 1 ms.
	Precision time.Duration

	// Local says that no server answers: the log is in files, or in a client that hides its
	// requests. Then there are no cursors, nothing asks to wait, and Usage counts no answers.
	// The requests of the script are then the calls that read the log.
	Local bool

	// Patience is how long the suite waits for an event or for a method to return. It
	// must be longer than the source needs to find a late event. Package cursorlog needs
	// a quarter of its Overlap if the log lists the oldest event first. Default 10 s.
	Patience time.Duration
}

// Log is a log that the suite scripts. It is empty at first.
type Log interface {
	// Append adds events to the log, each at the place that its time gives it.
	Append(events ...Event)

	// Delete removes events from the log.
	Delete(ids ...string)

	// Script replaces the script, which decides the fault of each request. A nil script
	// has none. The script is called once for each request, before the log is read. It may
	// call the methods above.
	Script(script func(Request) Fault)
}

// Reverser may be implemented by a Log. Reverse makes a log that is still empty list its
// events in the other order: the oldest first instead of the newest. If a Log is no
// Reverser, the suite logs that it did not check the other order.
type Reverser interface{ Reverse() }

// Event is an event of the log.
type Event struct {
	ID   string    // at most 255 letters, digits and hyphens
	Time time.Time // a multiple of Harness.Precision
}

// Request is a request for a page.
type Request struct {
	N      int    // counts requests from 1
	Cursor string // empty: the top of the log
}

// Fault is a fault of a request.
type Fault int

const (
	// None is a correct answer.
	None Fault = iota
	// Unavailable is the answer of a broken server, such as status 503.
	Unavailable
	// Unknown is the answer to an unknown cursor, such as status 404. A request without a
	// cursor is answered correctly.
	Unknown
	// Throttled is an answer that asks the client to wait for a second (Wait), such as
	// status 429 with the header "Retry-After: 1".
	Throttled
	// Repeat is the previous page again. The first request is answered correctly.
	Repeat
	// Twice is a page that begins with the last event of the page before. The top of the
	// log is answered correctly.
	Twice
	// Empty is a page without events that promises more.
	Empty
	// Early is a page that hides that more follows.
	Early
	// Hang is no answer until the client gives up or the script is replaced.
	Hang
)

// Wait is how long Throttled asks the client to wait.
const Wait = time.Second

// Run checks each rule of the contract in a subtest. For each it calls setup, which returns
// a new log and registers clean-ups with t.Cleanup.
func Run(t *testing.T, setup func(t testing.TB) Harness) {
	t.Helper()
	suite.Run(t, setup)
}
