package splunkhec_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

func TestContract(t *testing.T) {
	for _, ack := range []bool{false, true} {
		t.Run(fmt.Sprintf("acknowledgement %v", ack), func(t *testing.T) {
			sinktest.Run(t, func(t testing.TB) sinktest.Harness { return harness(t, ack) })
		})
	}
}

func harness(t testing.TB, ack bool) sinktest.Harness {
	d := &destination{met: make(chan struct{})}
	d.room.Store(unlimited)
	r := overSockets(t, hectest.Config{Ack: ack, Refuse: isBad, Script: d.befalls})
	return sinktest.Harness{
		// The detector of races makes the receiver's JSON decoder very slow.
		Patience: 30 * time.Second,
		Open:     func(t testing.TB) sink.Sink { return r.open(t) },
		Received: func(testing.TB) [][]byte { return found(r.Events()) },
		Record: func(n, size int) sink.Record {
			body := fmt.Sprintf(`{"n":%d,"text":"quote \" \\ \u0000 \u2028 \ud83d\udd12 <&>"}`, n)
			if pad := size - len(body) - len(`,"pad":""`); size > 0 {
				body = strings.TrimSuffix(body, "}") + `,"pad":"` + strings.Repeat("x", pad) + `"}`
			}
			return record(n, body)
		},
		Refused: func(testing.TB) sink.Record { return record(0, `{"bad":true}`) },
		Break:   func(testing.TB) { d.room.Store(0) },
		Falter:  func(_ testing.TB, n int) { d.room.Store(int64(n)) },
		Hang:    func(testing.TB) <-chan struct{} { d.hanging.Store(true); return d.met },
		Repair:  func(testing.TB) { d.hanging.Store(false); d.room.Store(unlimited) },
	}
}

// found returns events in the order of their times, as a search shows them.
func found(events []hectest.Event) [][]byte {
	slices.SortStableFunc(events, func(a, b hectest.Event) int { return strings.Compare(a.Time, b.Time) })
	var all [][]byte
	for _, e := range events {
		all = append(all, []byte(e.Text()))
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

func (d *destination) befalls(q hectest.Request) hectest.Fault {
	switch {
	case q.Path != hectest.PathEvent:
		return hectest.Fault{}
	case d.hanging.Load():
		d.once.Do(func() { close(d.met) })
		return hectest.Fault{Hang: true}
	}
	if left := d.room.Add(-int64(q.Events)); left >= 0 {
		return hectest.Fault{}
	}
	taken := int(max(0, d.room.Swap(0)+int64(q.Events)))
	return hectest.Fault{Taken: taken, Answer: &hectest.Answer{Status: 503, Code: 9, Number: &taken}}
}
