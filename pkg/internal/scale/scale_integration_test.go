//go:build integration

package main

import (
	"testing"
	"time"
)

// What a catch-up took is given back within a minute, and idle lanes take little. The
// limits leave room for a busy machine; docs/performance.md has figures of more lanes.
func TestIdleLanesAreSmall(t *testing.T) {
	const mostResident, mostGoroutines, mostDescriptors = 128 << 20, 3, 5
	s := scale{
		sources: 50, events: 1000, spacing: time.Second, sinks: []string{"file", "splunk_hec", "syslog"},
		every: 30 * time.Second, lasts: time.Minute,
	}
	last, err := s.run(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if last.resident > mostResident {
		t.Errorf("%.0f MiB are resident, want at most %.0f", mib(last.resident), mib(mostResident))
	}
	if last.goroutines > mostGoroutines*s.lanes() {
		t.Errorf("%d goroutines for %d lanes, want at most %d each", last.goroutines, s.lanes(), mostGoroutines)
	}
	if last.descriptors > mostDescriptors*s.lanes() {
		t.Errorf("%d descriptors for %d lanes, want at most %d each", last.descriptors, s.lanes(), mostDescriptors)
	}
}
