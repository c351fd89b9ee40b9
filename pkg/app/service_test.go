package app

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink/httpsink/servicetest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestServicesGetALog checks each sink for a service with a test event, and delivers a log
// to it. Each event arrives once, as nothing is lost on the way.
func TestServicesGetALog(t *testing.T) {
	const key, path, events = "0123456789abcdef0123456789abcdef", "/services/T0/B0/hookSecret7", 8
	services := map[string]struct {
		server   *servicetest.Server
		settings string // %s: the origin
	}{
		"datadog":   {servicetest.NewDatadog(key), "site: datadoghq.com, api_key: " + key + ", url: %s/api/v2/logs"},
		"sumo":      {servicetest.NewSumo(path, "", ""), "url: %s" + path},
		"panther":   {servicetest.NewPanther(path, "X-Api-Key", key), "url: %s" + path + ", header: X-Api-Key, secret: " + key},
		"slack":     {servicetest.NewSlack(path), "url: %s" + path},
		"teams":     {servicetest.NewTeams(path, key), "url: '%s" + path + "?sig=" + key + "'"},
		"pagerduty": {servicetest.NewPagerDuty(key), "routing_key: " + key + ", url: %s/v2/enqueue"},
	}
	api := httptest.NewServer(simulator.New(simulator.Config{Events: events, Tame: true}))
	t.Cleanup(api.Close)
	dir := t.TempDir()
	config := "sources: [{name: acme, type: planetscale, settings: {organization: acme, access_token: token, url: " + api.URL + "}}]\nstate: {type: file, settings: {dir: " + dir + "}}\nadmin: {listen: 127.0.0.1:0}\nsinks:\n"
	for name, s := range services {
		server := httptest.NewServer(s.server)
		t.Cleanup(server.Close)
		config += fmt.Sprintf("  - {name: %[1]s, type: %[1]s, own_events: false, settings: {%[2]s}}\n", name, fmt.Sprintf(s.settings, server.URL))
	}
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "-c", file, "--send-test"}, {"run", "-c", file, "--once", "--timeout", "5m"}} {
		var out bytes.Buffer
		if code := execute(t.Context(), args, strings.NewReader(""), &out, &out); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, &out)
		}
		if strings.Contains(out.String(), key) || strings.Contains(out.String(), "hookSecret7") {
			t.Errorf("%v shows a secret:\n%s", args, &out)
		}
	}
	for name, s := range services {
		var ids []string
		for _, e := range s.server.Events() {
			ids = append(ids, e.ID)
		}
		slices.Sort(ids)
		if got := len(slices.Compact(ids)); got != events+1 || len(s.server.Events()) != got {
			t.Errorf("%s: %d events, %d of them different; want %d and a test event", name, len(s.server.Events()), got, events)
		}
		if broken := s.server.Broken(); len(broken) > 0 {
			t.Errorf("%s: %v", name, broken)
		}
	}
}
