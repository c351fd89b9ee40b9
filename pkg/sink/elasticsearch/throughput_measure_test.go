//go:build integration

package elasticsearch_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// With a server five milliseconds away, the sink is five times as fast as a naive client with
// a page in each request. They take turns and the best run of each counts, since other load
// on the machine slows down one or the other.
func TestFiveTimesTheNaiveClient(t *testing.T) {
	rate := func(publish func([]sink.Record) error, records []sink.Record) float64 {
		began := time.Now()
		if err := publish(records); err != nil {
			t.Fatal(err)
		}
		return float64(len(records)) / time.Since(began).Seconds()
	}
	perPage, ours := naively(t), bySluice(t)
	records := auditRecords(20_000)
	var page, sluice float64
	for range 5 {
		page = max(page, rate(perPage, records[:3000]))
		sluice = max(sluice, rate(ours, records))
	}
	t.Logf("a request a page %.0f, sluice %.0f events a second: %.1f times", page, sluice, sluice/page)
	if sluice < 5*page {
		t.Errorf("%.0f events a second, want five times %.0f", sluice, page)
	}
}
