package sinktest

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/conformance"
)

// rule is one requirement of the contract.
type rule struct {
	name   string
	needs  func(Harness) (hook string, missing bool) // nil: nothing
	check  func(*session)
	advice string
}

// Advice for several rules.
const (
	returnOutcome = "return nil only for what the destination took, name the others in a sink.BatchError, or return an error for the whole batch"
	retryTrouble  = "trouble of the destination is no fault of a record: return an error that is not permanent, and publish again when asked to"
	nameRefused   = "return sink.Permanent for a record that is refused for good; in a sink.BatchError, for that record alone"
	leaveAtOnce   = "pass the context to everything that waits; Close ends a Publish that hangs"
)

var rules = []rule{
	{"delivers every record once and in order", nil, deliversAll,
		"send each body unchanged; Received returns it without what the sink wraps around it"},
	{"returns nil for an empty batch", nil, takesEmptyBatch, "send nothing if the batch is empty"},
	{"keeps nothing of a batch", nil, keepsNothing, "the batch belongs to the caller again when Publish returns: copy what is sent later"},
	{"takes as much as its limits allow", nil, takesItsLimits, "implement sink.Limiter with what the destination takes at once"},
	{"takes or refuses an event that is too old", nil, decidesAboutOld,
		"an event that is older than Limits.OldestEvent is delivered, or refused with sink.Permanent for that record alone: a sink that retries it stops its lane"},
	{"checks without publishing", nil, checksQuietly, "Check publishes nothing and returns a line for people"},
	{"returns when the context has ended", nil, returnsOnEndedContext, returnOutcome},
	{"continues after Close where another sink stopped", nil, continuesAfterClose, "Close sends what is buffered; opening a sink changes nothing in the destination"},
	{"closes without having published", nil, closesUnused, "Close sends nothing of its own"},
	{"knows what its lane delivered before", nil, knowsItsHistory, "Traces reports what the destination holds of the lane, and nothing else"},
	{"retries a destination that is down", needsBreak, outlivesBreak, retryTrouble},
	{"reports which records a failing destination took", needsFalter, outlivesFalter, returnOutcome},
	{"returns a permanent error for a refused record", needsRefused, rejectsRefused, nameRefused},
	{"delivers the records around a refused one", needsRefused, deliversAroundRefused, nameRefused},
	{"returns from a hanging destination when the context ends", needsHang, leavesHangByContext, leaveAtOnce},
	{"returns from a hanging destination when closed", needsHang, leavesHangByClose, leaveAtOnce},
}

var suite = suiteOf(rules)

// suiteOf is rules as package conformance runs them.
func suiteOf(rules []rule) (all conformance.Suite[Harness]) {
	for _, r := range rules {
		all = append(all, conformance.Rule[Harness]{Name: r.name, Advice: r.advice, Check: func(t testing.TB, h Harness) {
			t.Helper()
			r.run(t, h)
		}})
	}
	return all
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

func needsBreak(h Harness) (string, bool)   { return "Break", h.Break == nil }
func needsFalter(h Harness) (string, bool)  { return "Falter", h.Falter == nil }
func needsRefused(h Harness) (string, bool) { return "Refused", h.Refused == nil }
func needsHang(h Harness) (string, bool)    { return "Hang", h.Hang == nil }
