package planetscale

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestPollsLeaveRequestsToACatchUp polls faster than the budget allows.
func TestPollsLeaveRequestsToACatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &budget{}
		b.join(60)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		polls := 0
		for range 2 {
			go func() {
				for {
					if _, err := b.take(ctx, poll); err != nil {
						return
					}
					polls++
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		for range 10 {
			limited, stop := context.WithTimeout(ctx, 10*time.Minute)
			_, err := b.take(limited, catchUp)
			stop()
			if err != nil {
				t.Fatalf("a catch-up got no request in %s", time.Since(start))
			}
		}
		took := time.Since(start)
		cancel()
		synctest.Wait()
		if polls < 20 || took > 2*time.Minute {
			t.Errorf("10 requests took %s, with %d polls before them", took, polls)
		}
	})
}
