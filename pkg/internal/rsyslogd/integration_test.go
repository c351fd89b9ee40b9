//go:build integration

package rsyslogd_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/rsyslogd"
)

// A message over each transport arrives in each of three runs, and the daemon returns the
// parsed fields.
func TestEveryTransportInEveryRun(t *testing.T) {
	for _, direct := range []bool{true, false} {
		t.Run(fmt.Sprintf("direct %t", direct), func(t *testing.T) {
			d := rsyslogd.Start(t, rsyslogd.Config{Direct: direct})
			var want []rsyslogd.Message
			for life, end := range []func() error{d.Stop, d.Stop, d.Kill} {
				if life > 0 {
					if err := d.Start(); err != nil {
						t.Fatal(err)
					}
				}
				want = append(want, sendAll(t, d, life, len(want))...)
				if err := end(); err != nil {
					t.Fatal(err)
				}
			}
			got, err := d.Messages()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

// sendAll sends a message over each transport, each after the previous one has arrived.
func sendAll(t *testing.T, d *rsyslogd.Daemon, life, before int) (want []rsyslogd.Message) {
	t.Helper()
	for i, transport := range []string{"tcp", "tls", "udp", "relp", "relp+tls"} {
		text := fmt.Sprintf("by %s in life %d: tab\tend \"quoted\" é", transport, life)
		message := `<110>1 2026-03-14T15:09:26.535Z siem sluice - branch.created [audit@32473 id="7"] ` + text
		send(t, d, transport, message)
		want = append(want, rsyslogd.Message{
			Raw: rsyslogd.Escape(message), Host: "siem", App: "sluice", ID: "branch.created",
			Structured: `[audit@32473 id="7"]`, Text: rsyslogd.Escape(text),
		})
		await(t, d, before+i+1)
	}
	return want
}

func send(t *testing.T, d *rsyslogd.Daemon, transport, message string) {
	t.Helper()
	network, address, frame := "tcp", "", fmt.Sprintf("%d %s", len(message), message)
	secure := false
	switch transport {
	case "tcp":
		address = d.TCP
	case "tls":
		address, secure = d.TLS, true
	case "udp":
		network, address, frame = "udp", d.UDP, message
	case "relp":
		address, frame = d.RELP, relp(message)
	case "relp+tls":
		address, frame, secure = d.RELPTLS, relp(message), true
	}
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{RootCAs: roots(t, d.CAFile), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	}
	if _, err := conn.Write([]byte(frame)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close() // The daemon was the first.
	})
}

// relp is a session that does not wait for answers.
func relp(message string) string {
	return fmt.Sprintf("1 open 30 relp_version=0\ncommands=syslog\n2 syslog %d %s\n", len(message), message)
}

func roots(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// await waits for n messages.
func await(t *testing.T, d *rsyslogd.Daemon, n int) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(20 * time.Second)
	for {
		messages, err := d.Messages()
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) >= n {
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("%d messages after 20 s, want %d", len(messages), n)
		}
	}
}
