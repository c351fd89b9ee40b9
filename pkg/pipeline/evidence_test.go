package pipeline_test

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

var histories = flag.Int("histories", 500, "how many histories TestAnyHistoryIsProven draws; a campaign has 10000")

// Whatever happens to a lane, the notes that its destination gets say exactly what the
// destination has.
func TestAnyHistoryIsProven(t *testing.T) {
	histories, parts := *histories, 4
	if testing.Short() {
		histories = 200
	}
	var mu sync.Mutex
	tally := map[string]int{}
	t.Run("histories", func(t *testing.T) {
		for part := range parts {
			t.Run(fmt.Sprintf("part %d", part+1), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < histories; seed += parts {
					var c *chronicle
					synctest.Test(t, func(*testing.T) { c = drawn(uint64(seed)).live() })
					if c.judge(); len(c.violations) > 0 {
						t.Fatalf("history %d:\n%s", seed, strings.Join(c.violations, "\n"))
					}
					mu.Lock()
					for what, n := range c.tally {
						tally[what] += n
					}
					mu.Unlock()
				}
			})
		}
	})
	for _, what := range []string{
		"records in their place", "orphans", "rejected records", "shortened dead letters", "notes of kind open", "notes of kind seal", "notes of kind statement",
		"notes of filtered events", "changes of the key", "moves", "logs that ended",
	} {
		if tally[what] < histories/20 {
			t.Errorf("%d histories have %d %s, too few for this test", histories, tally[what], what)
		}
	}
	t.Log(tally)
}
