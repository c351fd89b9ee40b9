package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// Whatever happens to a lane, the notes that its destination gets say exactly what the
// destination has.
func TestAnyHistoryIsProven(t *testing.T) {
	histories, parts := 10_000, 4
	if testing.Short() {
		histories = 200
	}
	for part := range parts {
		t.Run(fmt.Sprintf("part %d", part+1), func(t *testing.T) {
			t.Parallel()
			for seed := part; seed < histories; seed += parts {
				var c *chronicle
				synctest.Test(t, func(*testing.T) { c = drawn(uint64(seed)).live() })
				if c.judge(); len(c.violations) > 0 {
					t.Fatalf("history %d:\n%s", seed, strings.Join(c.violations, "\n"))
				}
			}
		})
	}
}
