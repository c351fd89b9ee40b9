package httpsink_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

func TestContract(t *testing.T) {
	bodies := []string{"ndjson", "json_array", "single"}
	if testing.Short() { // The detector of races makes the collector very slow.
		bodies = bodies[:1]
	}
	for _, body := range bodies {
		t.Run(body, func(t *testing.T) {
			sinktest.Run(t, func(t testing.TB) sinktest.Harness { return harness(t, body) })
		})
	}
}

func harness(t testing.TB, body string) sinktest.Harness {
	d := &destination{met: make(chan struct{})}
	d.room.Store(unlimited)
	r := overSockets(t, collectortest.Config{Refuse: isBad, Script: d.befalls})
	r.settings.Body = body
	return sinktest.Harness{
		Patience: 30 * time.Second,
		Open:     func(t testing.TB) sink.Sink { return r.open(t) },
		Received: func(t testing.TB) [][]byte { return found(t, r.Events()) },
		Record: func(n, size int) sink.Record {
			body := fmt.Sprintf(`{"n":%d,"text":"quote \" \\ \u0000 \u2028 \ud83d\udd12 <&>"}`, n)
			if pad := size - len(body) - len(`,"pad":""`); size > 0 {
				body = strings.TrimSuffix(body, "}") + `,"pad":"` + strings.Repeat("x", pad) + `"}`
			}
			return record(n, body)
		},
		Refused: func(testing.TB) sink.Record { return record(999_999, `{"n":0,"bad":true}`) },
		Break:   func(testing.TB) { d.room.Store(0) },
		Falter:  func(_ testing.TB, n int) { d.room.Store(int64(n)) },
		Hang:    func(testing.TB) <-chan struct{} { d.hanging.Store(true); return d.met },
		Repair:  func(testing.TB) { d.hanging.Store(false); d.room.Store(unlimited) },
	}
}

// found returns events in the order of their numbers, since requests are concurrent.
func found(t testing.TB, events []string) [][]byte {
	slices.SortStableFunc(events, func(a, b string) int { return number(t, a) - number(t, b) })
	var all [][]byte
	for _, e := range events {
		all = append(all, []byte(e))
	}
	return all
}

const unlimited = 1 << 40

// destination is a server that can be brought into trouble.
type destination struct {
	room    atomic.Int64 // events that it still takes
	hanging atomic.Bool
	met     chan struct{}
	once    sync.Once
}

func (d *destination) befalls(q collectortest.Request) collectortest.Fault {
	if d.hanging.Load() {
		d.once.Do(func() { close(d.met) })
		return collectortest.Fault{Hang: true}
	}
	if d.room.Add(-int64(len(q.Events))) >= 0 {
		return collectortest.Fault{}
	}
	d.room.Store(0)
	return collectortest.Fault{Answer: &collectortest.Answer{Status: 503}}
}
