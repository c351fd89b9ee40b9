package syslog_test

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/syslog"
)

// TestTLS checks that Check and Publish report certificate errors with a hint.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	ca, otherCA := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem")
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ours.file(ca)
	other.file(otherCA)
	ours.client("sluice", cert, key)
	demanding := ours.server()
	demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, ours.pool()
	old := ours.server()
	old.MaxVersion = tls.VersionTLS12
	for _, tt := range []struct {
		words  string
		server *tls.Config // nil: no TLS
		change func(*syslog.Settings)
		hint   string // empty: all is well
	}{
		{"an authority of our own", ours.server(), func(s *syslog.Settings) { s.TLS.CAFile = ca }, ""},
		{"TLS 1.2", old, func(s *syslog.Settings) { s.TLS.CAFile = ca }, ""},
		{"another name in the certificate", ours.server(), func(s *syslog.Settings) { s.TLS.CAFile, s.TLS.ServerName = ca, "siem.example.com" }, ""},
		{"a certificate of ours", demanding, func(s *syslog.Settings) { s.TLS.CAFile, s.TLS.CertFile, s.TLS.KeyFile = ca, cert, key }, ""},
		{"nothing verified", ours.server(), func(s *syslog.Settings) { s.TLS.InsecureSkipVerify = true }, ""},
		{"an authority that is not known", ours.server(), func(s *syslog.Settings) { s.TLS.CAFile = otherCA }, "tls.ca_file"},
		{"a name that is not in the certificate", ours.server(), func(s *syslog.Settings) { s.TLS.CAFile, s.TLS.ServerName = ca, "other.example.com" }, "tls.server_name"},
		{"no certificate of ours", demanding, func(s *syslog.Settings) { s.TLS.CAFile = ca }, "tls.cert_file"},
		{"a file that is gone", ours.server(), func(s *syslog.Settings) { s.TLS.CAFile = filepath.Join(dir, "gone.pem") }, "tls.ca_file names a file that does not exist"},
		{"no TLS there", nil, func(s *syslog.Settings) { s.TLS.CAFile = ca }, "does not use TLS: write tcp://"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			s := settings(t, "tls://"+address(t, tt.server))
			s.Settle = settle
			tt.change(&s)
			snk := open(t, s)
			_, checked := snk.(sink.Checker).Check(t.Context())
			for of, err := range map[string]error{"Check": checked, "Publish": snk.Publish(t.Context(), batch(0, 3))} {
				switch {
				case tt.hint == "" && err != nil:
					t.Errorf("%s: %v", of, err)
				case tt.hint != "":
					wantError(t, err, s.Address[0].String(), tt.hint)
					if got := classOf(err); got != "destination" {
						t.Errorf("%s: got an error of class %q, want destination: %v", of, got, err)
					}
				}
			}
		})
	}
}

// address returns the address of a receiver with TLS, or of a server that answers a
// handshake with something else.
func address(t *testing.T, config *tls.Config) string {
	if config != nil {
		return newReceiver(t, config).address
	}
	url := peer(t, func(c *conn) {
		_, _ = c.Write([]byte("220 mail.example.com ESMTP\r\n"))
		_ = c.CloseWrite()
	})
	return url[len("tcp://"):]
}

// TestCertificatesAreRotated replaces authorities and certificates of both sides
// while the sink is open.
func TestCertificatesAreRotated(t *testing.T) {
	dir := t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	seen := make(chan string, 10)
	rotate := func(name string) *tls.Config {
		a := newAuthority(t, name)
		a.file(ca)
		a.client(name, cert, key)
		config := a.server()
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, a.pool()
		config.VerifyPeerCertificate = func(_ [][]byte, chains [][]*x509.Certificate) error {
			seen <- chains[0][0].Subject.CommonName
			return nil
		}
		return config
	}
	r := newReceiver(t, rotate("first"))
	s := r.settings
	s.Settle, s.TLS.CAFile, s.TLS.CertFile, s.TLS.KeyFile = settle, ca, cert, key
	snk := open(t, s)
	for i, name := range []string{"first", "second", "third"} {
		if i > 0 {
			r.stop()
			r.tls = rotate(name)
			r.repair()
		}
		deliver(t, snk, batch(i, 1))
		if got := <-seen; got != name {
			t.Errorf("the receiver got the certificate of %q, want %q", got, name)
		}
	}
	wantArrived(t, r.bodies(), batch(0, 3))
}
