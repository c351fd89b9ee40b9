package simulator

import (
	"slices"
	"time"
)

// Scenario is something that goes wrong in the field.
//
// Faults that can stop a reader are bounded. After some dozen requests, or some minutes
// of the server's clock, the server behaves again, and a reader must converge. A
// late event is listed at most [Lateness] after its created_at, unless Doc states
// otherwise.
type Scenario struct {
	Name  string // in words joined by hyphens
	Doc   string // one sentence for people
	Apply func(*Server)
}

// Lateness is the most that an event of a scenario is late.
const Lateness = time.Minute

// Scenarios lists all scenarios.
func Scenarios() []Scenario {
	return slices.Concat(answerScenarios(), cursorScenarios(), clockScenarios(), historyScenarios(), contentScenarios(), []Scenario{third})
}

// faulty is a scenario with one fault at some requests.
func faulty(name, doc string, f Fault, requests ...int) Scenario {
	return Scenario{name, doc, func(s *Server) { s.Script(at(always(f), requests...)) }}
}

func always(f Fault) Script { return func(Request) Fault { return f } }

func altered(alter func(*Listing)) Fault { return Fault{Alter: alter} }

// at runs a script at some requests only.
func at(script Script, requests ...int) Script {
	return func(r Request) Fault {
		if slices.Contains(requests, r.N) {
			return script(r)
		}
		return Fault{}
	}
}

// laterPages runs a script at requests with a cursor. n counts those from 1.
func laterPages(script func(n int, r Request) Fault) Script {
	n := 0
	return func(r Request) Fault {
		if r.StartingAfter == "" {
			return Fault{}
		}
		n++
		return script(n, r)
	}
}

// secondReads calls do before a page is read again, a number of times. The first page of
// a walk does not count.
func secondReads(times int, do func(Request)) Script {
	return func(r Request) Fault {
		if times > 0 && r.Again && r.StartingAfter != "" {
			times--
			do(r)
		}
		return Fault{}
	}
}

// patience is the number of requests after which a log counts as read. A reader need not
// go to its end.
const patience = 50

// afterRead calls do a number of times once the log was read to its end: before every
// third request.
func afterRead(times int, do func()) Script {
	since := 0
	return func(r Request) Fault {
		if r.Ends == 0 && r.N <= patience {
			return Fault{}
		}
		since++
		if since%3 == 0 && since/3 <= times {
			do()
		}
		return Fault{}
	}
}
