//go:build integration

package app_test

import (
	"fmt"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
)

// Over TCP and TLS, which know no answers, everything reaches rsyslog's file too,
// although rsyslog is stopped and the process killed in turns.
func TestStoppedAndKilledNothingIsLostOverTCP(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := newChain(t, 20260303, 20_000)
			address, trust := "tcp://"+c.hop.TCP, ""
			if transport == "tls" {
				address, trust = "tls://"+c.hop.TLS, "      tls: {ca_file: "+c.hop.CAFile+"}\n"
			}
			c.configure(t, "100ms", fmt.Sprintf(`  - name: siem
    type: syslog
    own_events: false
    format: ecs
    settings:
      address: %s
%s`, address, trust))
			c.endInTurns(t, 10, (*rsyslogd.Daemon).Stop)
		})
	}
}
