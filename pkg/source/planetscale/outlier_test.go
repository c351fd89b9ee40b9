package planetscale_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestEventFromLongAgoHidesNothingListedBehindIt puts events with times far below the
// floor at the end of a page of new events. A log that lists in the order of insertion
// may do that.
func TestEventFromLongAgoHidesNothingListedBehindIt(t *testing.T) {
	for _, order := range orders {
		for _, strays := range []int{1, 20} {
			t.Run(name(order, " ", strays), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 500, Spacing: 10 * time.Second, Order: order, SortKey: simulator.ByInsertion})
					f := follow(t, server, defaults)
					defer f.close()
					f.run(20 * time.Minute)
					ids := server.Append(60)
					for range strays {
						server.Insert(simulator.Draft{Created: time.Now().Add(-5 * time.Hour)})
					}
					ids = append(ids, server.Append(100-strays)...)
					f.run(10 * time.Minute)
					for _, id := range ids {
						if f.seen[id] != 1 {
							t.Fatalf("event %s was delivered %d times", id, f.seen[id])
						}
					}
				})
			})
		}
	}
}

// TestTimesThatCannotBeTrueDecideNothing uses times that can be parsed, but that no event
// of the API can have.
func TestTimesThatCannotBeTrueDecideNothing(t *testing.T) {
	for _, created := range []string{"0000-01-01T00:00:00+10:00", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59-10:00"} {
		for _, order := range orders {
			t.Run(name(created, " ", order), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 250, Order: order})
					odd := func(id string) {
						server.Insert(simulator.Draft{ID: id, Created: time.Now(), Raw: fmt.Appendf(nil, `{"id":%q,"created_at":%q}`, id, created)})
					}
					odd("first")
					f := follow(t, server, defaults)
					defer f.close()
					f.catchUp()
					odd("second")
					server.Append(1)
					f.run(10 * time.Minute)
					f.wantAll(1)
					if len(f.failures) > 0 {
						t.Errorf("got %v", f.failures)
					}
				})
			})
		}
	}
}
