package cursorlog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// sending sends requests at the given pace until ctx ends, and keeps their times.
func sending(ctx context.Context, q *requester, pace func() time.Duration, sent *[]time.Time) {
	for ctx.Err() == nil {
		if _, err := q.list(ctx, "", catchUp); err == nil {
			*sent = append(*sent, time.Now())
		}
		if d := pace(); d > 0 {
			time.Sleep(d)
		}
	}
}

func limited(perMinute int) *requester {
	q := answering(func(context.Context, string, int) (Answer, error) { return Answer{Body: plainBody("", 1)}, nil })
	q.budget = &Budget{}
	q.budget.join(perMinute)
	return q
}

// most is the most requests in any minute.
func most(sent ...[]time.Time) int {
	most := 0
	for _, starts := range sent {
		for _, start := range starts {
			n := 0
			for _, times := range sent {
				for _, at := range times {
					if d := at.Sub(start); d >= 0 && d < time.Minute {
						n++
					}
				}
			}
			most = max(most, n)
		}
	}
	return most
}

// A process that goes behind another one leaves its requests alone, and both together keep
// the rate.
func TestRequestsGoBehindAnotherProcess(t *testing.T) {
	const rate, minutes = 120, 4
	for words, c := range map[string]struct {
		pace        time.Duration // of the first process; 0: as fast as its budget allows
		least, most int           // requests of the second one in all minutes
	}{
		"that polls":      {5 * time.Second, 400, 440},
		"that is busy":    {time.Second, 220, 250},
		"that catches up": {0, 0, 6},
	} {
		t.Run(words, func(t *testing.T) {
			run := func(both bool) (first, second []time.Time) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), minutes*time.Minute-100*time.Millisecond) // no request is due then
					defer cancel()
					a, b := limited(rate), limited(rate)
					b.beside = &beside{look: func(context.Context) (source.Usage, bool) { return a.usage(), true }, budget: b.budget}
					go sending(ctx, a, func() time.Duration { return c.pace }, &first)
					if both {
						go sending(ctx, b, func() time.Duration { return 0 }, &second)
					}
					<-ctx.Done()
					time.Sleep(time.Minute)
				})
				return first, second
			}
			alone, _ := run(false)
			first, second := run(true)
			if len(first) < len(alone) {
				t.Errorf("the first process sent %d requests, want %d as without the second one", len(first), len(alone))
			}
			if n := len(second); n < c.least || n > c.most {
				t.Errorf("the second process sent %d requests, want %d to %d", n, c.least, c.most)
			}
			if n := most(first, second); n > rate+maxBurst {
				t.Errorf("both sent %d requests in a minute, want at most %d", n, rate+maxBurst)
			}
		})
	}
}

// Without an answer of the other process, the configured rate alone bounds the requests.
func TestAProcessThatCannotBeSeenHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := limited(60)
		visible := true
		q.beside = &beside{budget: q.budget, look: func(context.Context) (source.Usage, bool) {
			return source.Usage{BudgetUsed: 5}, visible
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := q.list(ctx, "", poll); err == nil {
			t.Errorf("got %v, want the request to wait while the other process has nothing left", err)
		}
		visible = false
		if _, err := q.list(t.Context(), "", poll); err != nil {
			t.Error(err)
		}
	})
}
