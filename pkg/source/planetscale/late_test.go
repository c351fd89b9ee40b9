package planetscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestLateWithinOneWalk lists a late event where it was inserted.
func TestLateWithinOneWalk(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := simulator.New(simulator.Config{Events: 300, Order: order, SortKey: simulator.ByInsertion})
				late := server.Insert(simulator.Draft{Created: time.Now().Add(-time.Minute)})
				server.Append(3)
				f := follow(t, server, defaults)
				defer f.close()
				f.catchUp()
				for _, e := range f.published {
					if e.Late != (e.ID == late) {
						t.Errorf("event %s of %s: late is %v", e.ID, e.Time, e.Late)
					}
				}
			})
		})
	}
}
