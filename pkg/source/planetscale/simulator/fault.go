package simulator

import (
	"net/http"
	"time"
)

// Script decides what goes wrong with a request. The server calls it once for each
// request, before it looks anything up, and never concurrently. A script may call the
// methods of its server other than Script: what it appends or deletes shows in the
// answer. The zero Fault is none.
type Script func(r Request) Fault

// Fault is what goes wrong. Its fields can be combined.
type Fault struct {
	// Delay is the time before the answer, unless the client gives up earlier.
	Delay time.Duration

	// Abort closes the connection without an answer.
	Abort bool

	// Status, if not 0, is the status of an answer with Header and Body in place of a page.
	Status int
	Header http.Header
	Body   string

	// Alter changes the page before it is rendered.
	Alter func(*Listing)

	// Date changes the time in the Date header, which is that of the server's clock. A
	// zero time leaves the header out.
	Date func(time.Time) time.Time

	// Cut ends the body halfway through its Content-Length.
	Cut bool

	// Stall is a pause in the middle of the body, unless the client gives up earlier.
	Stall time.Duration
}

// Script replaces the script; nil for none.
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
