//go:build integration

package relp_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp"
	"github.com/sluice-siem/sluice/pkg/sink/syslog/relp/relptest"
)

// With a round trip of 5 ms the sink has five times the throughput of a naive client that
// waits after each page.
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
				n := map[string]int{"session": 100_000, "naive by page": 10_000, "naive by message": 500}[name]
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

// rsyslog answers a page within a few milliseconds, and not after the 40 ms for which the
// kernel may delay an acknowledgement.
func TestAPageIsAnsweredAtOnce(t *testing.T) {
	d := rsyslogd.Start(t, rsyslogd.Config{})
	for name, s := range map[string]*relp.Session{"RELP": dial(t, d.RELP), "RELP over TLS": dialTLS(t, d)} {
		var took []time.Duration
		for range 11 {
			began := time.Now()
			if _, err := s.Send(within(t, time.Minute), sized(page)); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		if median := took[len(took)/2]; median > 20*time.Millisecond {
			t.Errorf("%s: a page took %v (median)", name, median)
		}
		if err := s.Close(within(t, time.Minute)); err != nil {
			t.Error(err)
		}
	}
}

func dialTLS(t *testing.T, d *rsyslogd.Daemon) *relp.Session {
	t.Helper()
	conn, err := (&setting.TLS{CAFile: d.CAFile}).Dial(within(t, time.Minute), "tcp", d.RELPTLS)
	if err != nil {
		t.Fatal(err)
	}
	s, err := relp.Open(within(t, time.Minute), conn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
