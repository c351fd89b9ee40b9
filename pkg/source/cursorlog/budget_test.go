package cursorlog

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPollsLeaveRequestsToACatchUp polls faster than the budget allows.
func TestPollsLeaveRequestsToACatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Budget{}
		b.join(60)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		polls := 0
		for range 2 {
			go func() {
				for {
					if _, err := b.acquire(ctx, poll); err != nil {
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
			_, err := b.acquire(limited, catchUp)
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

// A caller may leave at the moment when its request is granted. If that request is the
// probe of a pause, another request becomes the probe.
func TestAnAbandonedProbeIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Budget{}
		b.join(60)
		b.pause("429 Too Many Requests", time.Minute)
		probe, err := b.acquire(t.Context(), poll)
		if err != nil || !probe.probe {
			t.Fatalf("got %+v, %v, want a probe", probe, err)
		}
		b.abandon(poll, probe)
		limited, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		began := time.Now()
		next, err := b.acquire(limited, catchUp)
		if err != nil || !next.probe || time.Since(began) > 0 {
			t.Errorf("got %+v, %v after %s, want a probe at once", next, err, time.Since(began))
		}
	})
}

// Lanes that are many for their rate of requests are told so.
func TestARateThatHoldsRequestsBackIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Budget{}
		b.join(60)
		ctx, cancel := context.WithCancel(t.Context())
		held := func() string {
			_, _, held := b.delays()
			return held
		}
		if _, err := b.acquire(ctx, poll); err != nil || held() != "" {
			t.Errorf("got %v, %q, want that nothing is held back", err, held())
		}
		for range 2 {
			go func() { _, _ = b.acquire(ctx, catchUp) }()
		}
		synctest.Wait()
		if got := held(); !strings.HasPrefix(got, "all lanes with this credential share 60 requests a minute, and 2 of them wait for their turn") {
			t.Errorf("got %q", got)
		}
		cancel()
		synctest.Wait()
		if got := held(); got != "" {
			t.Errorf("got %q, want that nothing is held back", got)
		}
	})
}
