package httpsink_test

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/testcert"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
)

// Check makes no request to the server, and says what it does not know.
func TestCheck(t *testing.T) {
	r := overSockets(t, collectortest.Config{Client: collectortest.Client{ID: "sluice", Secret: token}})
	address, err := r.settings.URL.Value()
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSuffix(address, collectortest.Path)
	check := func(want, hint string) {
		t.Helper()
		said, err := r.open(t).(sink.Checker).Check(t.Context())
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, want) || !strings.Contains(failure.Hint(err), hint) || (err == nil) != (hint == "") || strings.Contains(said, token) {
			t.Errorf("got %q with the hint %q, want %q with %q", said, failure.Hint(err), want, hint)
		}
	}
	check(base+" takes connections; whether it takes events, only --send-test shows", "")
	r.settings.Auth = &httpsink.Auth{Type: "oauth2_client_credentials", TokenURL: base + collectortest.TokenPath, ClientID: "sluice", ClientSecret: setting.NewSecret(token)}
	check(base+" takes connections; "+base+" gives a token; whether", "")
	r.settings.Auth.ClientID = "another"
	check("token: posting to "+base+": 401 invalid_client", "make sure that client_id and client_secret")
	r.settings.Auth.TokenURL = base + "/elsewhere"
	check("404", "make sure that token_url")
	r.settings.Auth = nil
	r.settings.URL = setting.NewSecret("http://127.0.0.1:1/")
	check("connection refused", "start the server")
	r.settings.URL = setting.NewSecret(strings.Replace(address, "http:", "https:", 1))
	check("posting to https://", "the port does not use TLS: write http://")
	if len(r.Requests()) > 0 {
		t.Errorf("%d requests with events", len(r.Requests()))
	}
}

// Over TLS the sink speaks HTTP/2 where the server does, and shows its certificate.
func TestClientCertificate(t *testing.T) {
	dir := t.TempDir()
	if _, err := testcert.Write(dir); err != nil {
		t.Fatal(err)
	}
	var proto string
	shown := 0
	collector := collectortest.NewServer(collectortest.Config{Allow: func(r *http.Request, _ []byte) bool {
		proto, shown = r.Proto, len(r.TLS.PeerCertificates)
		return true
	}})
	server := httptest.NewUnstartedServer(collector)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(dir, "authority.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	s := defaults(server.URL + collectortest.Path)
	publish := func() error {
		snk, err := httpsink.Type.Open(t.Context(), sink.Env{Log: zerolog.Nop()}, &s)
		if err != nil {
			t.Fatal(err)
		}
		defer snk.Close()
		if said, err := snk.(sink.Checker).Check(t.Context()); s.TLS.CAFile != "" && (err != nil || !strings.HasPrefix(said, server.URL+" answers in TLS; ")) {
			t.Errorf("check: %q, %v", said, err)
		}
		return snk.Publish(t.Context(), batch(600))
	}
	if err := publish(); kindOf(err) != "destination" || !strings.Contains(failure.Hint(err), "ca_file") {
		t.Errorf("without the authority: %v (%s)", err, failure.Hint(err))
	}
	s.TLS.CAFile = ca
	if err := publish(); err == nil {
		t.Error("delivered without a certificate")
	}
	s.TLS.CertFile, s.TLS.KeyFile = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	if err := publish(); err != nil || proto != "HTTP/2.0" || shown != 1 {
		t.Errorf("over %s with %d certificates: %v", proto, shown, err)
	}
}
