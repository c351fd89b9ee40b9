package elasticsearch_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

func TestContract(t *testing.T) { sinktest.Run(t, harness) }

func harness(t testing.TB) sinktest.Harness {
	d := &destination{met: make(chan struct{})}
	d.room.Store(unlimited)
	r := overSockets(t, estest.Config{Refuse: isBad, Script: d.befalls})
	return sinktest.Harness{
		// The detector of races makes the receiver's JSON decoder very slow.
		Patience: 30 * time.Second,
		Open:     func(t testing.TB) sink.Sink { return r.open(t) },
		Received: func(testing.TB) [][]byte { return found(r.Documents()) },
		Record: func(n, size int) sink.Record {
			body := fmt.Sprintf(`{"@timestamp":"2026-03-04T05:06:07.000Z","n":%d,"text":"quote \" \\ \u0000 \u2028 \ud83d\udd12 <&>"}`, n)
			if pad := size - len(body) - len(`,"pad":""`); size > 0 {
				body = strings.TrimSuffix(body, "}") + `,"pad":"` + strings.Repeat("x", pad) + `"}`
			}
			return record(n, body)
		},
		Refused: func(testing.TB) sink.Record { return record(int(d.refused.Add(1))+1_000_000, badBody) },
		Break:   func(testing.TB) { d.room.Store(0) },
		Falter:  func(_ testing.TB, n int) { d.room.Store(int64(n)) },
		Hang:    func(testing.TB) <-chan struct{} { d.hanging.Store(true); return d.met },
		Repair:  func(testing.TB) { d.hanging.Store(false); d.room.Store(unlimited) },
	}
}

// found returns documents in the order of their ids, as a search may show them.
func found(documents []estest.Document) [][]byte {
	slices.SortStableFunc(documents, func(a, b estest.Document) int { return strings.Compare(a.ID, b.ID) })
	var all [][]byte
	for _, d := range documents {
		all = append(all, d.Body)
	}
	return all
}

const unlimited = 1 << 40

// destination is a cluster that can be brought into trouble.
type destination struct {
	room    atomic.Int64 // documents that it still takes
	refused atomic.Int64 // refused records so far
	hanging atomic.Bool
	met     chan struct{}
	once    sync.Once
}

func (d *destination) befalls(q estest.Request) estest.Fault {
	switch {
	case !q.Bulk():
		return estest.Fault{}
	case d.hanging.Load():
		d.once.Do(func() { close(d.met) })
		return estest.Fault{Hang: true}
	case d.room.Load() == 0:
		return estest.Fault{Answer: &estest.Answer{Status: 503, Type: "cluster_block_exception", Reason: "no master"}}
	}
	return estest.Fault{Item: func(int) estest.ItemFault {
		if d.room.Add(-1) >= 0 {
			return estest.ItemFault{}
		}
		d.room.Store(0)
		return estest.Busy
	}}
}
