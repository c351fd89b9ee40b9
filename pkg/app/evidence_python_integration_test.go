//go:build integration

package app

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// Another program, which knows nothing but docs/evidence.md, comes to the same result as
// sluice verify.
func TestAVerifierInAnotherLanguage(t *testing.T) {
	script, err := filepath.Abs("../../docs/examples/verify.py")
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(simulator.New(simulator.Config{Seed: 9, Events: 400, Tame: true}))
	defer api.Close()
	t.Chdir(t.TempDir())
	text := fmt.Sprintf(`
evidence: {key_file: acme.key}
sources: [{name: acme, type: planetscale, settings: {organization: acme, url: %q, access_token: any}}]
sinks: [{name: archive, type: file, own_events: false, settings: {path: audit.ndjson}}]
state: {settings: {dir: state}}
admin: {listen: "127.0.0.1:0"}
`, api.URL)
	if err := os.WriteFile("sluice.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"key new acme", "key new other", "run -c sluice.yaml --once", "run -c sluice.yaml --once"} {
		var out bytes.Buffer
		if exit := execute(t.Context(), strings.Fields(line), nil, &out, &out); exit != 0 {
			t.Fatalf("sluice %s: exit code %d: %s", line, exit, out.String())
		}
	}
	export, err := os.ReadFile("audit.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(export), "\n")+"\n", "\n")
	line := func(sequence int) int {
		for i, l := range lines {
			if strings.Contains(l, fmt.Sprintf(`"sequence":%d,`, sequence)) {
				return i
			}
		}
		t.Fatalf("no record %d", sequence)
		return 0
	}
	with := func(at int, text ...string) string {
		return strings.Join(lines[:at], "") + strings.Join(text, "") + strings.Join(lines[at+1:], "")
	}
	at := line(123)
	renumbered := strings.Replace(lines[at], `"sequence":123,`, `"sequence":77,`, 1)
	invented := strings.ReplaceAll(lines[at], `"name":"acme"`, `"name":"evil"`)
	for name, c := range map[string]struct {
		export, key, prints string
		exit                int
	}{
		"as it was":          {string(export), "acme.pub", "clean: 400 records, ", 0},
		"a copy more":        {string(export) + lines[at], "acme.pub", "clean: 400 records, ", 0},
		"a record less":      {with(at), "acme.pub", "missing: record 123", 1},
		"a record altered":   {with(at, invented), "acme.pub", "altered: record 123", 1},
		"a record invented":  {string(export) + invented, "acme.pub", "forged: record 123", 1},
		"a record elsewhere": {string(export) + renumbered, "acme.pub", "moved: record 77", 1},
		"the wrong key":      {string(export), "other.pub", "note with a wrong signature", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile("export.ndjson", []byte(c.export), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("python3", script, c.key, "export.ndjson")
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != c.exit || !strings.Contains(string(out), c.prints) {
				t.Errorf("it ended with %d, want %d, and printed %s", got, c.exit, out)
			}
		})
	}
}
