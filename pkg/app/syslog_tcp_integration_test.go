//go:build integration

package app_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Over TCP and TLS, which know no answers, everything reaches rsyslog's file too,
// although rsyslog is stopped and the process killed in turns.
func TestStoppedAndKilledNothingIsLostOverTCP(t *testing.T) {
	const events, cycles = 20_000, 10
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel() // They wait for most of the time.
			c := &chain{
				site:  newSite(t, simulator.Config{Seed: 20260303, Events: events}),
				hop:   rsyslogd.Start(t, rsyslogd.Config{Direct: true}),
				moves: rand.New(rand.NewPCG(20260303, 1)),
			}
			address, trust := "tcp://"+c.hop.TCP, ""
			if transport == "tls" {
				address, trust = "tls://"+c.hop.TLS, "      tls: {ca_file: "+c.hop.CAFile+"}\n"
			}
			c.configure(t, "100ms", fmt.Sprintf(`  - name: siem
    type: syslog
    format: ecs
    settings:
      address: %s
%s`, address, trust))
			began := time.Now()
			c.start(t)
			for range cycles {
				c.await(t)
				c.kill(t)
				c.start(t)
				c.await(t)
				if err := c.hop.Stop(); err != nil {
					t.Fatal(err)
				}
				if err := c.hop.Start(); err != nil {
					t.Fatal(err)
				}
			}
			c.kill(t)
			if cmd, stderr := c.command("--once"); cmd.Run() != nil {
				t.Fatalf("catching up: %v: %s", cmd.ProcessState, stderr)
			}
			lost, again := c.compare(t)
			t.Logf("%d events, %d ends of each in %s: %d lost, %d delivered again",
				events, cycles, time.Since(began).Round(time.Second), lost, again)
			if lost > 0 {
				t.Errorf("%d of %d events are lost", lost, events)
			}
			if again == 0 {
				t.Error("nothing was delivered again, so no end came while something was on its way")
			}
		})
	}
}
