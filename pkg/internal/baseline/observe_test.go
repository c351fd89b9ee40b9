package baseline

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// BenchmarkObserve compares what the console remembers of a page of a hundred events with
// the least that a lane does with it: decode the page and encode it as ECS. Events are new
// in the first case; other lanes have read them in the second; they are older than the
// console remembers in the third, as in most of a first catch-up. The figures are medians.
func BenchmarkObserve(b *testing.B) {
	all := pages(b, 10*turn)
	for _, c := range []struct {
		name  string
		lanes int
		older time.Duration
	}{{"new", 1, 0}, {"known", 2, 0}, {"old", 1, 8 * 24 * time.Hour}} {
		b.Run(c.name, func(b *testing.B) {
			shown, encoder, room := figures{}, newEncoder(b, ecs.Format), make([]byte, 0, 64<<10)
			for b.Loop() {
				a := console.NewActivity(8 << 20)
				for range c.lanes - 1 {
					watch(b, a, all, c.older, nil)
				}
				var lane time.Duration
				watching := watch(b, a, all, c.older, func(body []byte) {
					began := time.Now()
					events, err := planetscale.Parse(body, "acme")
					if err != nil {
						b.Fatal(err)
					}
					for i := range events {
						if _, err := encoder.Transform(room, &events[i]); err != nil {
							b.Fatal(err)
						}
					}
					lane += time.Since(began)
				})
				events := 100 * float64(len(all))
				shown.add("lane-ns/event", float64(lane.Nanoseconds())/events)
				shown.add("watching-ns/event", float64(watching.Nanoseconds())/events)
				shown.add("percent", 100*float64(watching)/float64(lane))
			}
			shown.report(b)
		})
	}
}

// watch lets the console look on at pages, the oldest first, and does other work with each.
// It returns how long the console took.
func watch(b *testing.B, a *console.Activity, bodies [][]byte, older time.Duration, work func(body []byte)) (took time.Duration) {
	observe := a.Observer("acme", catalogue())
	for i := len(bodies) - 1; i >= 0; i-- {
		if work != nil {
			work(bodies[i])
		}
		events, err := planetscale.Parse(bodies[i], "acme")
		if err != nil {
			b.Fatal(err)
		}
		for j := range events {
			events[j].Time = events[j].Time.Add(-older)
		}
		began := time.Now()
		observe(events, i == 0)
		took += time.Since(began)
	}
	return took
}
