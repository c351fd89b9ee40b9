package verify_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
)

// Some destinations store an event once, under its id: of what a lane delivered again, they
// keep the first, under the number that it had then. A lane that lost its state delivers
// again what its former log may never have sealed; then it is not clear which of the two
// logs the first copy is of.
func TestAnExportWithTheFirstOfEachEventIsClean(t *testing.T) {
	repeats := 0
	for seed := range histories() {
		h := newHistory(uint64(seed), 20+seed%100)
		if h.lostState() {
			continue
		}
		type stored struct {
			lane string
			leaf evidence.Leaf
		}
		seen := map[stored]bool{}
		var claims []verify.Claim
		for _, c := range h.claims(true) {
			if s := (stored{c.Lane, c.Facts.Leaf()}); c.Note == "" {
				if seen[s] {
					repeats++
					continue
				}
				seen[s] = true
			}
			claims = append(claims, c)
		}
		if r := h.check(t, claims); r.Verdict != verify.Clean {
			t.Fatalf("history %d: %s; %+v", seed, r.Verdict, show(r.Findings[0]))
		}
	}
	if repeats == 0 {
		t.Error("nothing was delivered again")
	}
}

// lostState reports whether a lane has more than one log.
func (h *history) lostState() bool {
	origins := map[string]string{}
	for i := range h.shipped {
		s := &h.shipped[i]
		if other, known := origins[s.lane.name]; known && other != s.origin {
			return true
		}
		origins[s.lane.name] = s.origin
	}
	return false
}
