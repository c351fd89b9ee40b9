package setting_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// authority is a certificate authority for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{t, cert, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue returns a certificate for a server with that host, or a client with that
// name.
func (a authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	k := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// serve listens on a loopback address and answers with the name in the client's
// certificate.
func serve(t *testing.T, a authority, host string) *httptest.Server {
	t.Helper()
	cert, err := tls.X509KeyPair(a.issue(host))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			fmt.Fprint(w, c.Subject.CommonName)
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = discard // the tests refuse handshakes on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, c *setting.TLS, s *httptest.Server) error {
	t.Helper()
	conn, err := c.Dial(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestTLSVerifiesTheServer(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, ours.pem())
	for _, c := range []struct {
		name   string
		signer authority
		host   string
		tls    *setting.TLS
		err    string
	}{
		{"an address in the certificate", ours, "127.0.0.1", &setting.TLS{CAFile: ca}, ""},
		{"another address", ours, "127.0.0.2", &setting.TLS{CAFile: ca}, "certificate is valid for 127.0.0.2"},
		{"a name in the certificate", ours, "siem.example", &setting.TLS{CAFile: ca, ServerName: "siem.example"}, ""},
		{"another name", ours, "evil.example", &setting.TLS{CAFile: ca, ServerName: "siem.example"}, "certificate is valid for evil.example"},
		{"another authority", theirs, "127.0.0.1", &setting.TLS{CAFile: ca}, "unknown authority"},
		{"the roots of the system", ours, "127.0.0.1", &setting.TLS{}, "unknown authority"},
		{"no settings at all", ours, "127.0.0.1", nil, "unknown authority"},
		{"no verification", theirs, "evil.example", &setting.TLS{InsecureSkipVerify: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := dial(t, c.tls, serve(t, c.signer, c.host))
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}

func TestTLSIsVersion12OrLater(t *testing.T) {
	for _, s := range []*setting.TLS{nil, {}, {InsecureSkipVerify: true}} {
		c, err := s.Config()
		if err != nil || c.MinVersion != tls.VersionTLS12 {
			t.Errorf("got %v, %v, want TLS 1.2 as the least", c, err)
		}
	}
}

func TestDialSeesNewAuthorities(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	s := serve(t, ours, "127.0.0.1")
	c := &setting.TLS{CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	for _, step := range []struct {
		ca   authority
		want bool
	}{{theirs, false}, {ours, true}, {theirs, false}} {
		write(t, c.CAFile, step.ca.pem())
		if err := dial(t, c, s); (err == nil) != step.want {
			t.Errorf("with the authority %s: got %v, want accepted %v", step.ca.cert.Subject.CommonName, err, step.want)
		}
	}
}

func TestTransportSeesNewAuthorities(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	s := serve(t, ours, "127.0.0.1")
	c := &setting.TLS{CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	client := &http.Client{Transport: c.Transport(&http.Transport{})}
	t.Cleanup(client.CloseIdleConnections)
	for _, step := range []struct {
		name string
		ca   []byte
		err  string
	}{
		{"theirs", theirs.pem(), "unknown authority"},
		{"ours", ours.pem(), ""},
		{"theirs again, in spite of the open connection", theirs.pem(), "unknown authority"},
		{"rubbish", []byte("-"), "no PEM certificate"},
		{"ours again", ours.pem(), ""},
	} {
		write(t, c.CAFile, step.ca)
		_, err := get(client, s.URL)
		if step.err == "" && err != nil || step.err != "" && (err == nil || !strings.Contains(err.Error(), step.err)) {
			t.Errorf("%s: got %v, want %q", step.name, err, step.err)
		}
	}
}

func TestTransportEndsConnectionsOfOldAuthorities(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	s := serve(t, ours, "127.0.0.1")
	c := &setting.TLS{CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	write(t, c.CAFile, ours.pem())
	closed := make(chan error, 1)
	base := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &tellClose{Conn: conn, closed: closed}, err
	}}
	client := &http.Client{Transport: c.Transport(base)}
	if _, err := get(client, s.URL); err != nil {
		t.Fatal(err)
	}
	write(t, c.CAFile, append(theirs.pem(), ours.pem()...))
	if _, err := get(client, s.URL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("got the old connection kept open, want it closed")
	}
	client.CloseIdleConnections()
}

// tellClose closes its channel at the first Close of a connection that shares it.
type tellClose struct {
	net.Conn
	closed chan error
}

func (c *tellClose) Close() error {
	err := c.Conn.Close()
	select {
	case c.closed <- err:
	default:
	}
	return err
}

func TestTransportKeepsConnections(t *testing.T) {
	ours := newAuthority(t, "ours")
	s := serve(t, ours, "127.0.0.1")
	c := &setting.TLS{CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	write(t, c.CAFile, ours.pem())
	dials := 0
	base := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	client := &http.Client{Transport: c.Transport(base)}
	t.Cleanup(client.CloseIdleConnections)
	for range 3 {
		if _, err := get(client, s.URL); err != nil {
			t.Fatal(err)
		}
	}
	if dials != 1 {
		t.Errorf("got %d connections for three requests, want 1", dials)
	}
}

func TestClientCertificateIsReadAtEachHandshake(t *testing.T) {
	ours := newAuthority(t, "ours")
	s := serve(t, ours, "127.0.0.1")
	dir := t.TempDir()
	c := &setting.TLS{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	write(t, c.CAFile, ours.pem())
	// One config for all handshakes, as in a client that calls Config once.
	config, err := c.Config()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	for _, want := range []string{"first", "second"} {
		cert, key := ours.issue(want)
		write(t, c.CertFile, cert)
		write(t, c.KeyFile, key)
		got, err := get(client, s.URL)
		if err != nil || got != want {
			t.Errorf("got %q, %v, want the certificate %q", got, err, want)
		}
	}
	otherCert, _ := ours.issue("third")
	write(t, c.CertFile, otherCert)
	if _, err := get(client, s.URL); err == nil || !strings.Contains(err.Error(), c.CertFile) {
		t.Errorf("got %v with a certificate of another key, want an error naming %s", err, c.CertFile)
	}
}

func TestTLSValidate(t *testing.T) {
	ours := newAuthority(t, "ours")
	dir := t.TempDir()
	cert, key := ours.issue("client")
	path := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		write(t, p, content)
		return p
	}
	ca, certFile, keyFile, rubbish := path("ca.pem", ours.pem()), path("cert.pem", cert), path("key.pem", key), path("rubbish", []byte("-"))
	none := filepath.Join(dir, "none")
	for _, c := range []struct {
		name string
		tls  *setting.TLS
		want []string
	}{
		{"nil", nil, nil},
		{"zero", &setting.TLS{}, nil},
		{"all well", &setting.TLS{CAFile: ca, CertFile: certFile, KeyFile: keyFile}, nil},
		{"two problems at once", &setting.TLS{CAFile: rubbish, CertFile: certFile}, []string{"ca_file: read " + rubbish + ": holds no certificate in PEM; write ", "key_file: missing"}},
		{"a key without certificate", &setting.TLS{KeyFile: keyFile}, []string{"cert_file: missing"}},
		{"no such file", &setting.TLS{CAFile: none, CertFile: none, KeyFile: keyFile}, []string{"ca_file: ", fmt.Sprintf("cert_file: open %s: no such file or directory; write ", none)}},
		{"rubbish for a key", &setting.TLS{CertFile: certFile, KeyFile: rubbish}, []string{"cert_file: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := c.tls.Validate()
			if len(errs) != len(c.want) {
				t.Fatalf("got %v, want %d problems", errs, len(c.want))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(errs[i].Error(), want) {
					t.Errorf("got %v, want %q", errs[i], want)
				}
			}
		})
	}
}

func TestTLSIsOptionalByPointer(t *testing.T) {
	var settings struct{ TLS *setting.TLS }
	if settings.TLS.Enabled() {
		t.Error("got enabled without settings, want not")
	}
	if settings.TLS = new(setting.TLS); !settings.TLS.Enabled() {
		t.Error("got disabled with empty settings, want enabled")
	}
}

func get(client *http.Client, url string) (_ string, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

var discard = log.New(io.Discard, "", 0)
