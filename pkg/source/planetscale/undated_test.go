package planetscale_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestElementsWithoutAnIDAreAlike lists the same bytes, without an id, on many pages.
func TestElementsWithoutAnIDAreAlike(t *testing.T) {
	for _, order := range orders {
		for _, buffer := range []setting.Size{0, 48 << 20} {
			t.Run(name(order, " ", buffer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := simulator.New(simulator.Config{Events: 700, Order: order})
					for i := range 28 {
						server.Insert(simulator.Draft{Created: time.Now().Add(-time.Duration(i) * 25 * time.Second), Raw: []byte("null")})
					}
					s := defaults
					s.WalkBuffer = buffer
					f := follow(t, server, s)
					defer f.close()
					f.catchUp()
					for e := range server.Ever() {
						if n := f.seen[e.ID]; n != 1 && string(e.Raw) != "null" {
							t.Errorf("event %s was delivered %d times", e.ID, n)
						}
					}
				})
			})
		}
	}
}

// TestUndatedBeyondTheirLimit uses more events without a time than a position names. A
// late event makes the reader return a page of forgotten ones again, and new events
// without a time follow.
func TestUndatedBeyondTheirLimit(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 300}, func(t *testing.T, f *follower) {
		undated := func(id string, created time.Time) {
			f.server.Insert(simulator.Draft{ID: id, Created: created, Raw: fmt.Appendf(nil, `{"id":%q,"created_at":null}`, id)})
		}
		for i := range 5200 {
			undated(fmt.Sprintf("undated-%d", i), time.Now().Add(-time.Duration(i)*50*time.Millisecond))
		}
		f.catchUp()
		f.server.Insert(simulator.Draft{ID: "late", Created: time.Now().Add(-255 * time.Second)})
		f.run(4 * time.Minute)
		undated("new", time.Now())
		f.run(4 * time.Minute)
		for _, id := range []string{"late", "new"} {
			if f.seen[id] != 1 {
				t.Errorf("event %s was delivered %d times", id, f.seen[id])
			}
		}
		f.wantAll(1)
	})
}

func TestUndatedAtTheEndOfALogCostsNoWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 1000, Spacing: 10 * time.Second, Order: simulator.OldestFirst})
		server.Insert(simulator.Draft{ID: "undated", Created: time.Now(), Raw: []byte(`{"id":"undated","created_at":null}`)})
		server.Append(1)
		f := follow(t, server, defaults)
		defer f.close()
		f.catchUp()
		before := server.RequestCount()
		f.run(2 * time.Minute)
		if got := server.RequestCount() - before; got > 30 {
			t.Errorf("got %d requests in 24 polls", got)
		}
		f.wantAll(1)
	})
}
