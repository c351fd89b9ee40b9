package planetscale_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestLateWithinOneWalk lists a late event at the place of its insertion.
func TestLateWithinOneWalk(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 300, SortKey: simulator.ByInsertion}, func(t *testing.T, f *follower) {
		late := f.server.Insert(simulator.Draft{Created: time.Now().Add(-time.Minute)})
		f.server.Append(3)
		f.catchUp()
		for _, e := range f.published {
			if e.Late != (e.ID == late) {
				t.Errorf("event %s of %s: late is %v", e.ID, e.Time, e.Late)
			}
		}
	})
}
