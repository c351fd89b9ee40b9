package planetscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestBothEndsOfAPageGoneBeforeItsSecondRead deletes the last event of a page and the
// event after it, before the page is read the second time. The reader meets events again
// that it returned before; they stay settled.
func TestBothEndsOfAPageGoneBeforeItsSecondRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := simulator.New(simulator.Config{Events: 400, Spacing: 5 * time.Second})
		var ids []string
		for e := range server.Visible() {
			ids = append(ids, e.ID)
		}
		s := defaults
		s.WalkBuffer = 0
		f := follow(t, server, s)
		defer f.close()
		for range 2 {
			f.save(f.events())
		}
		server.Delete(ids[199])
		server.Delete(ids[200])
		f.catchUp()
		for i, id := range ids {
			if n := f.seen[id]; n != 1 && i != 200 {
				t.Fatalf("event %d was delivered %d times", i, n)
			}
		}
	})
}
