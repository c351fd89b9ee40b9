package setting_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/setting"
)

func fingerprintOf(der []byte) setting.Fingerprint {
	sum := sha256.Sum256(der)
	return setting.Fingerprint(hex.EncodeToString(sum[:]))
}

// A server is trusted only if the authority with the fingerprint signed its certificate,
// and the certificate is for the host, which is an address here.
func TestTrustsOnlyTheAuthorityWithTheFingerprint(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	serve := func(issuer authority, name string, sent ...[]byte) string {
		cert, key := issuer.issue(name)
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		pair.Certificate = append(pair.Certificate, sent...)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		server.Config.ErrorLog = discard // the tests refuse handshakes on purpose
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, tt := range []struct {
		name, url string
		tls       *setting.TLS
		host      string
		want      string // part of the error; empty: none
	}{
		{"the authority", serve(ours, "127.0.0.1", ours.cert.Raw), nil, "127.0.0.1", ""},
		{"a name of its own", serve(ours, "es.example", ours.cert.Raw), &setting.TLS{ServerName: "es.example"}, "127.0.0.1", ""},
		{"another authority", serve(other, "127.0.0.1", other.cert.Raw), nil, "127.0.0.1", "no certificate that the server sent has the fingerprint"},
		{"a certificate of another that only comes along with the authority", serve(other, "127.0.0.1", ours.cert.Raw), nil, "127.0.0.1", "signed by unknown authority"},
		{"the authority is not sent", serve(ours, "127.0.0.1"), nil, "127.0.0.1", "no certificate that the server sent"},
		{"another address", serve(ours, "192.0.2.1", ours.cert.Raw), nil, "127.0.0.1", "certificate is valid for 192.0.2.1"},
		{"another name", serve(ours, "evil.example", ours.cert.Raw), nil, "127.0.0.1", "it doesn't contain any IP SANs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := &http.Client{Transport: tt.tls.Trust(fingerprintOf(ours.cert.Raw), tt.host).Transport(&http.Transport{})}
			answer, err := client.Get(tt.url)
			switch {
			case err == nil && tt.want != "":
				t.Errorf("the server is trusted, want %q", tt.want)
			case err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err == nil:
				if err := answer.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			client.CloseIdleConnections()
		})
	}
	if (*setting.TLS)(nil).Trust("", "host") != nil {
		t.Error("without a fingerprint the settings change")
	}
}

func TestFingerprintForms(t *testing.T) {
	const digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	var pairs []string
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, strings.ToUpper(digits[i:i+2]))
	}
	for _, text := range []string{digits, strings.ToUpper(digits), strings.Join(pairs, ":"), " " + digits + " "} {
		var got setting.Fingerprint
		if err := got.UnmarshalText([]byte(text)); err != nil || got != digits {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "abc", digits[1:], digits + "00", strings.Replace(digits, "a", "g", 1)} {
		var got setting.Fingerprint
		if err := got.UnmarshalText([]byte(text)); err == nil || got != "" {
			t.Errorf("%q is taken for a fingerprint", text)
		}
	}
}

// An authority that is not trusted is a fault that a person must repair, with a hint.
func TestExplainsAnAuthorityWithAnotherFingerprint(t *testing.T) {
	peer := setting.Peer{Name: "server", Address: "https://es:9200", TLS: &setting.TLS{}}
	got := peer.Explain(errors.Join(setting.ErrNotTrusted))
	if !got.Stays || !strings.Contains(got.Hint, "ca_fingerprint") {
		t.Errorf("got %+v", got)
	}
}
