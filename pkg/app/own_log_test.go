package app

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// Anybody can say to be behind sudo.
func TestOnlyRootIsBehindSudo(t *testing.T) {
	t.Setenv("SUDO_USER", "mallory")
	t.Setenv("SUDO_UID", "4711")
	if who := callerAs(0); who == nil || *who != (ownlog.Party{ID: "4711", Type: "user", Name: "mallory"}) {
		t.Errorf("root behind sudo is %+v", who)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if who := callerAs(1000); who == nil || who.Name != me.Username || who.ID != me.Uid {
		t.Errorf("a user who is not root is %+v, want %s", who, me.Username)
	}
}

// run --once delivers that it started: it is written before the lanes look for the end.
func TestRunOnceDeliversThatItStarted(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		file := filepath.Join(dir, "sluice.yaml")
		text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, url: "http://127.0.0.1:1", allow_http: true, service_token_id: id, service_token: secret}}]
state: {settings: {dir: %[1]s/state}}
sinks: [{name: archive, type: file, format: raw, own_events: only, settings: {path: %[1]s/own.ndjson}}]
admin: {listen: "127.0.0.1:0"}
`, dir)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if code := execute(t.Context(), []string{"run", "--once", "-c", file}, nil, &out, &out); code != 0 {
			t.Fatalf("run ended with %d: %s", code, out.String())
		}
		got, err := os.ReadFile(filepath.Join(dir, "own.sluice.ndjson"))
		if err != nil || !strings.Contains(string(got), "sluice.started") {
			t.Fatalf("got %q, %v, want that it started; the log was\n%s", got, err, out.String())
		}
	}
}
