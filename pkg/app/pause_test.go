package app

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/pause"
)

// Whoever pauses a lane chooses the reason, and perhaps the name. Neither can forge a line.
func TestAPauseForgesNoLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sluice.yaml")
	text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, url: "http://127.0.0.1:1", access_token: any}}]
state: {settings: {dir: %[1]q}}
sinks: [{name: archive, type: file, own_events: false, settings: {path: %[2]q}}]
admin: {listen: "127.0.0.1:0"}
`, filepath.Join(dir, "state"), filepath.Join(dir, "audit.ndjson"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := pause.Marker{Lane: "acme/archive", Since: time.Now(), By: "root\nforged by a name", Reason: "outage\nforged by a reason"}
	if err := pause.Dir(filepath.Join(dir, "state")).Pause(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	forged := regexp.MustCompile(`(?m)^forged`)
	for _, args := range [][]string{
		{"check", "-c", file}, {"checkpoint", "list", "-c", file},
		{"pause", "-c", file, "--reason", "outage\nforged by a reason", "acme/archive"}, {"resume", "-c", file, "acme/archive"},
	} {
		var out bytes.Buffer
		execute(t.Context(), args, nil, &out, &out)
		if !bytes.Contains(out.Bytes(), []byte("acme/archive")) || forged.Match(out.Bytes()) {
			t.Errorf("%s printed:\n%s", args[0], out.String())
		}
	}
}
