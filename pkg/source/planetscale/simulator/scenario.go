package simulator

import (
	"slices"
	"time"
)

// Scenario is something that goes wrong in the field.
//
// What can keep a reader from its aim is bounded: after some dozen requests, or
// some minutes of the server's clock, the server behaves again, so that a reader
// can be expected to converge.
// An event that a scenario makes late is listed at most [Lateness] after its
// created_at, except where the Doc says otherwise.
type Scenario struct {
	Name  string // in words joined by hyphens
	Doc   string // one sentence for people
	Apply func(*Server)
}

// Lateness is how late the late events of scenarios are at most.
const Lateness = time.Minute

// Scenarios lists all that are at hand.
func Scenarios() []Scenario {
	return slices.Concat(answerScenarios(), cursorScenarios(), clockScenarios(), historyScenarios(), contentScenarios(), []Scenario{third})
}

// faulty is a fault at some requests.
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

// laterPages runs a script at requests with a cursor, which it counts from 1.
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

// secondReads does something before the first so many requests for a page, not
// the first of a walk, that was asked for before.
func secondReads(times int, do func(Request)) Script {
	return func(r Request) Fault {
		if times > 0 && r.Again && r.StartingAfter != "" {
			times--
			do(r)
		}
		return Fault{}
	}
}

// patience is after how many requests a log counts as read even if its end was
// never reached: a reader need not go there.
const patience = 50

// settled does something a few times once the log has been read to its end,
// each time after two requests more.
func settled(times int, do func()) Script {
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
