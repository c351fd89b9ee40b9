package splunkhec_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// A server gets a certificate of another authority and requires a client certificate,
// which is then replaced too. The sink need not restart.
func TestCertificatesAreRotated(t *testing.T) {
	dir := t.TempDir()
	s := defaults("")
	s.TLS.CAFile, s.TLS.CertFile, s.TLS.KeyFile = filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	hec := hectest.NewServer(hectest.Config{Token: token})
	server := httptest.NewUnstartedServer(hec)
	var serving tls.Certificate
	accepted := x509.NewCertPool()
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{serving}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: accepted}, nil
	}}
	replace := func() {
		ours, theirs := newCertificate(t), newCertificate(t)
		serving = theirs.pair(t)
		accepted = x509.NewCertPool()
		accepted.AddCert(ours.parsed)
		for path, content := range map[string][]byte{s.TLS.CAFile: theirs.cert, s.TLS.CertFile: ours.cert, s.TLS.KeyFile: ours.key} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace()
	server.StartTLS()
	defer server.Close()
	s.URL = server.URL
	snk, err := splunkhec.Type.Open(t.Context(), sink.Env{Log: zerolog.Nop()}, &s)
	if err != nil {
		t.Fatal(err)
	}
	if err := snk.Publish(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	server.CloseClientConnections()
	replace()
	if err := snk.Publish(t.Context(), batch(1)); err != nil {
		t.Errorf("with other certificates: %v", err)
	}
	if err := snk.Close(); err != nil {
		t.Error(err)
	}
	if got := len(hec.Events()); got != 2 {
		t.Errorf("%d events are indexed, want 2", got)
	}
}

type certificate struct {
	parsed    *x509.Certificate
	cert, key []byte // PEM
}

func (c certificate) pair(t *testing.T) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// newCertificate makes a self-signed certificate for loopback.
func newCertificate(t *testing.T) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hectest"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{parsed, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})}
}

// Settings that weaken the protection of the token are logged at every start.
func TestWarnings(t *testing.T) {
	tests := []struct {
		name   string
		change func(*splunkhec.Settings)
		want   string
	}{
		{"nothing to warn of", func(*splunkhec.Settings) {}, ""},
		{"any certificate will do", func(s *splunkhec.Settings) { s.TLS.InsecureSkipVerify = true }, "tls.insecure_skip_verify"},
		{"no TLS", func(s *splunkhec.Settings) { s.URL, s.AllowHTTP = "http://splunk:8088", true }, "allow_http"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := defaults("https://splunk:8088")
			test.change(&s)
			var log bytes.Buffer
			snk, err := splunkhec.Type.Open(t.Context(), sink.Env{Log: zerolog.New(&log)}, &s)
			if err != nil {
				t.Fatal(err)
			}
			if err := snk.Close(); err != nil {
				t.Error(err)
			}
			if got := log.String(); !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("logged %q, want %q", got, test.want)
			}
		})
	}
}
