//go:build integration

package relp_test

import (
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// Five times the throughput of the naive client that waits once a page, at a
// round trip of 5 ms, in one run.
func TestThroughput(t *testing.T) {
	for _, tt := range []struct {
		name, address string
		floor         float64
	}{
		{"the strict server", relptest.New(t).Listen(), 5},
		{"rsyslog", rsyslogd.Start(t, rsyslogd.Config{}).RELP, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rate := map[string]float64{}
			for name, send := range clients(t, far(t, tt.address)) {
				n := map[string]int{"session": 100_000, "naive by page": 20_000, "naive by message": 500}[name]
				messages := sized(n)
				began := time.Now()
				if err := send(messages); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				rate[name] = float64(n) / time.Since(began).Seconds()
			}
			ratio := rate["session"] / rate["naive by page"]
			t.Logf("%s: %.0f records a second; naive by page %.0f, by message %.0f: %.1f times as many",
				tt.name, rate["session"], rate["naive by page"], rate["naive by message"], ratio)
			if ratio < tt.floor {
				t.Errorf("got %.1f times the naive client by page, want %.0f", ratio, tt.floor)
			}
		})
	}
}
