//go:build integration

package app_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// site is a directory in which a sluice runs, with its configuration, its state and, if
// it writes one, its file.
type site struct {
	binary, dir string
	api         *simulator.Server
}

// newSite builds the command and serves an audit log for it.
func newSite(t *testing.T, log simulator.Config) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), api: simulator.New(log)}
	s.binary = filepath.Join(s.dir, "sluice")
	if out, err := exec.Command("go", "build", "-o", s.binary, "../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	server := httptest.NewServer(s.api)
	t.Cleanup(server.Close)
	s.write(t, "source.yaml", fmt.Sprintf(`sources:
  - name: acme
    type: planetscale
    settings:
      organization: acme
      access_token: token
      url: %s
      poll_interval: POLL
      overlap: 5s
      requests_per_minute: 0
state:
  settings:
    dir: %s
admin:
  listen: 127.0.0.1:0
sinks:
`, server.URL, s.path("state")))
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// configure sets the poll interval and the sinks.
func (s *site) configure(t *testing.T, poll, sink string) {
	t.Helper()
	source, err := os.ReadFile(s.path("source.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	source = bytes.Replace(source, []byte("POLL"), []byte(poll), 1)
	s.write(t, "sluice.yaml", string(source)+sink)
}

func (s *site) fileSink(t *testing.T, poll string) {
	t.Helper()
	s.configure(t, poll, fmt.Sprintf(`  - name: siem
    type: file
    own_events: false
    format: ecs
    settings:
      path: %s
`, s.path("audit.ndjson")))
}

func (s *site) kafkaSink(t *testing.T, poll, broker, delivery string) {
	t.Helper()
	s.configure(t, poll, fmt.Sprintf(`  - name: siem
    type: kafka
    own_events: false
    format: ecs
    settings:
      brokers: [%q]
      topic: audit
      delivery: %s
`, broker, delivery))
}

// command returns a command that runs sluice run and records stderr.
func (s *site) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(s.binary, append([]string{"run", "-c", s.path("sluice.yaml")}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}
