package simulator

import (
	"net/http"
	"time"
)

// Script says what goes wrong with a request. It is called for each one before
// anything is looked up for it, never concurrently, and may call the methods of
// its server other than Script: what it appends or deletes shows in the answer.
// A zero Fault is none.
type Script func(r Request) Fault

// Fault is what goes wrong. Its fields can be combined.
type Fault struct {
	// Delay is waited before the answer, unless the client gives up before.
	Delay time.Duration

	// Abort closes the connection without an answer.
	Abort bool

	// Status, if not 0, is answered with Header and Body in place of a page.
	Status int
	Header http.Header
	Body   string

	// Alter changes the page before it is rendered.
	Alter func(*Listing)

	// Date changes the time in the Date header, which is the server's clock. A
	// zero time leaves the header out.
	Date func(time.Time) time.Time

	// Cut ends the body in the middle of what its Content-Length promises.
	Cut bool

	// Stall is waited in the middle of the body, unless the client gives up
	// before.
	Stall time.Duration
}

// Script sets the script, in place of the one before; nil for none.
func (s *Server) Script(script Script) {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	s.script = script
}

func (s *Server) fault(r Request) Fault {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	if s.script == nil {
		return Fault{}
	}
	return s.script(r)
}
