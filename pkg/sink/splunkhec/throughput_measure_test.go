//go:build integration

package splunkhec_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// With a server five milliseconds away, the sink is ten times as fast as a naive
// client with a page in each request. They take turns and the best run of each
// counts, since other load on the machine slows down one or the other.
func TestTenTimesTheNaiveClient(t *testing.T) {
	rate := func(publish func([]sink.Record) error, records []sink.Record) float64 {
		began := time.Now()
		if err := publish(records); err != nil {
			t.Fatal(err)
		}
		return float64(len(records)) / time.Since(began).Seconds()
	}
	perEvent, perPage, ours := naively(t, 1), naively(t, 100), bySluice(t)
	records := auditRecords(30_000)
	var event, page, sluice float64
	for range 5 {
		event = max(event, rate(perEvent, records[:50]))
		page = max(page, rate(perPage, records[:5000]))
		sluice = max(sluice, rate(ours, records))
	}
	t.Logf("a request an event %.0f, a request a page %.0f, sluice %.0f events a second: %.1f times the page", event, page, sluice, sluice/page)
	if sluice < 10*page {
		t.Errorf("%.0f events a second, want ten times %.0f", sluice, page)
	}
}
