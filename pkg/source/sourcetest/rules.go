package sourcetest

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/conformance"
)

// rule is one requirement of the contract.
type rule struct {
	name   string
	check  func(*session)
	advice string
}

// Advice for several rules.
const (
	returnErrors = "return the error of a request from Next, and resume where it was when Next is called again"
	retryPages   = "an answer may be wrong: request the page again, and list again from the top if it stays wrong"
	usePositions = "a position covers only events that were returned up to its page; open a reader from the position alone"
)

var rules = []rule{
	{"delivers every event once, the oldest first", deliversAll,
		"compare what the handler renders with what the source decodes: an id that is unique in the log, the time, the cursor, and whether more follows"},
	{"begins now", beginsNow, "Start with Now names what is visible, so that an event which becomes visible later is delivered"},
	{"begins at a time", beginsAtATime, "Start with Since includes the events of that time"},
	{"delivers late events, and marks them", deliversLate,
		"an event may become visible after later ones: also look for events older than the newest one delivered; package cursorlog does so within its Overlap"},
	{"delivers events that share a time", deliversTies, "an event with the time of a delivered one may be another event: compare ids, too"},
	{"delivers a log that is listed in the other order", deliversReversed,
		"find out how the log is listed, or give Harness.Log no method Reverse if the vendor guarantees the order"},
	{"resumes behind each page", resumesBehindEachPage, usePositions},
	{"keeps to the size of a page", keepsToThePage, "return no more events than Env.Page, and a position that covers only those: a slow sink saves it behind each page"},
	{"resumes after a stop at any request", resumesAfterAnyRequest, usePositions},
	{"survives requests that fail", survives(Unavailable), returnErrors},
	{"survives a cursor that is refused", survives(Unknown), retryPages},
	{"survives a cursor that is refused for good", survivesALostCursor,
		"list again from the top if a cursor stays refused; a cursorlog.Client returns cursorlog.CursorRefused for each such answer"},
	{"waits if it is asked to", waits,
		"return an error of the class source.Throttled with the wait, as cursorlog.Throttled does; until then no lane sends a request"},
	{"survives a page that repeats", survives(Repeat), retryPages},
	{"survives an event on two pages", survives(Twice), "events move to other pages while the log grows: deliver each id once"},
	{"survives an empty page that promises more", survives(Empty), retryPages},
	{"survives a page that hides what follows", survives(Early), "confirm the end of the log with another request before a position covers it; decode whether more follows even if the page has a cursor"},
	{"reports that events are missing", reportsAGap,
		"if the log no longer holds what was delivered, return an event with Gap, again after a crash and under the same id"},
	{"returns positions that are JSON of at most 512 kB", boundsPositions, "bound how many events a position names"},
	{"refuses a position that is not its own", refusesPositions,
		"keep in the position whose log it is, and return an error that wraps source.ErrUnusable for any other"},
	{"describes a position", describesPositions, "see source.Description"},
	{"checks and delivers nothing", checks, "return each error of a request as a source.Error with a class"},
	{"reports its freshness", reportsFreshness, "see source.Freshness, source.Progress and source.Usage"},
	{"serves lanes side by side", servesLanes, "a source is used by several goroutines: share no state between readers without a lock"},
	{"returns when the context ends, and continues", endsWithTheContext, "pass the context of Next to everything that waits"},
	{"closes while a request hangs", closesWhileHanging, "Close ends the requests in flight and waits for their goroutines"},
}

// suite is the rules as package conformance runs them.
var suite = func() (all conformance.Suite[Harness]) {
	for _, r := range rules {
		all = append(all, conformance.Rule[Harness]{Name: r.name, Advice: r.advice, Check: func(t testing.TB, h Harness) {
			t.Helper()
			r.check(newSession(t, h))
		}})
	}
	return all
}()

func newSession(t testing.TB, h Harness) *session {
	t.Helper()
	if h.Patience == 0 {
		h.Patience = 10 * time.Second
	}
	if h.Precision == 0 {
		h.Precision = time.Millisecond
	}
	if h.Precision > time.Second {
		t.Fatalf("Harness.Precision is %s, but the suite needs a second or less", h.Precision)
	}
	// A fraction of a second shows whether the source keeps it.
	began := time.Now().Truncate(time.Second).Add(-h.Precision)
	return &session{TB: t, Harness: h, log: h.Log, began: began}
}
