package verify_test

import (
	"flag"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
)

// claims returns what the records of a history state.
func (h *history) claims(named bool) []verify.Claim {
	claims := make([]verify.Claim, len(h.shipped))
	for i := range h.shipped {
		s := &h.shipped[i]
		claims[i] = verify.Claim{
			Place: verify.Place{Name: "export", Line: int64(i)}, Number: s.event.Number,
			Facts: evidence.FactsOf(&s.event, s.short), Note: s.event.Note, Replayed: s.event.Replayed,
		}
		if named {
			claims[i].Lane = s.lane.name
		}
	}
	return claims
}

func (h *history) publicKeys() (all []string) {
	for _, k := range h.keys {
		all = append(all, k.Public)
	}
	return all
}

func (h *history) check(t *testing.T, claims []verify.Claim) *verify.Report {
	t.Helper()
	c, err := verify.New(h.publicKeys(), verify.Options{Until: h.now})
	if err != nil {
		t.Fatal(err)
	}
	c.SettleWithin(onTheirWay)
	for len(claims) > 0 {
		n := min(len(claims), 1+h.IntN(200))
		c.Add(claims[:n]...)
		claims = claims[n:]
	}
	return c.Report()
}

var drawn = flag.Int("histories", 500, "how many histories a test draws; a campaign has 10000")

func histories() int {
	if testing.Short() {
		return min(*drawn, 250)
	}
	return *drawn
}

// sizeOf is how many events a history has: now and then many.
func sizeOf(seed int) int {
	if seed%16 == 5 {
		return 300
	}
	return 15 + seed%60
}

func TestACleanExportHasNoFindings(t *testing.T) {
	for seed := range histories() {
		h := newHistory(uint64(seed), sizeOf(seed))
		claims := h.claims(seed%2 == 0)
		if seed%3 > 0 {
			h.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
		}
		r := h.check(t, claims)
		if r.Verdict != verify.Clean || len(r.Findings) > 0 {
			t.Fatalf("history %d: %s; %+v", seed, r.Verdict, r.Findings)
		}
	}
}
