//go:build integration

package syslog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// TestCatchUpOverUDP counts how many records arrive if only rate makes pauses between
// them.
func TestCatchUpOverUDP(t *testing.T) {
	const events = 1440
	arrived := map[int]int{}
	for _, perSecond := range []int{500, 0} {
		d := rsyslogd.Start(t, rsyslogd.Config{})
		s := settings(t, "udp://"+d.UDP)
		s.Rate = perSecond
		snk := open(t, s)
		all := batch(0, events)
		for i := range all {
			all[i].Body = fmt.Appendf(nil, `{"n":%d,"original":"%s"}`, i, strings.Repeat("x", 2500))
		}
		began := time.Now()
		for some := range slices.Chunk(all, snk.(sink.Limiter).Limits().Records) {
			deliver(t, snk, some)
		}
		took := time.Since(began)
		arrived[perSecond] = settled(t, d, events)
		if least := time.Duration(events-50) * time.Second / 500; perSecond > 0 && took < least {
			t.Errorf("%d events took %v, want at least %v", events, took, least)
		}
		t.Logf("rate %d: %d of %d events, sent in %v, arrived", perSecond, arrived[perSecond], events, took.Round(time.Millisecond))
	}
	// The number depends on the load of the machine.
	if arrived[500] < arrived[0] {
		t.Errorf("%d events arrived at the default rate, and %d without a limit", arrived[500], arrived[0])
	}
}

// settled returns how many messages rsyslog has written once all are there, or once two
// seconds brought no more.
func settled(t testing.TB, d *rsyslogd.Daemon, all int) int {
	t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	last, since := -1, time.Now()
	for range look.C {
		got, err := d.Messages()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != last {
			last, since = len(got), time.Now()
		}
		if last == all || time.Since(since) > 2*time.Second {
			break
		}
	}
	return last
}
