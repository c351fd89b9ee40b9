package planetscale

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Sources with one address and the same tls share connections. Their credentials do not
// matter.
func TestSourcesShareConnections(t *testing.T) {
	const sources = 5
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(simulator.New(simulator.Config{Events: 1}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	typ := Type()
	check := func(name, token string, tls setting.TLS) {
		t.Helper()
		s := *typ.Settings().(*Settings)
		s.Organization, s.AccessToken, s.URL, s.TLS = "acme", setting.NewSecret(token), server.URL, &tls
		src, err := typ.Open(t.Context(), source.OpenEnv{Source: name, Log: zerolog.Nop()}, &s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = src.Close() })
		if _, err := src.(interface {
			Check(context.Context) (string, error)
		}).Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range sources {
		check(fmt.Sprint(i), fmt.Sprint("token-", i), setting.TLS{CAFile: ca})
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d sources opened %d connections, want one", sources, got)
	}
	check("other", "token", setting.TLS{CAFile: ca, ServerName: "example.com"})
	if got := opened.Load(); got != 2 {
		t.Errorf("a source that verifies another name made that %d connections, want 2", got)
	}
}
