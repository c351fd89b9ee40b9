package app

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// A bundle has what its README says, no secret, and notes that the standard library
// verifies. What somebody did to the records is in its report.
func TestABundle(t *testing.T) {
	api := httptest.NewServer(simulator.New(simulator.Config{Seed: 5, Events: 30, Tame: true, AccessToken: "hunter2"}))
	defer api.Close()
	relay, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	t.Chdir(t.TempDir())
	config := fmt.Sprintf(`
evidence: {key_file: acme.key}
sources: [{name: acme, type: planetscale, settings: {organization: acme, url: %q, access_token: hunter2}}]
sinks:
  - {name: archive, type: file, settings: {path: audit.ndjson}}
  - {name: relay, type: syslog, own_events: false, settings: {address: "udp://%s"}}
  - {name: plain, type: file, own_events: false, evidence: false, settings: {path: plain.ndjson}}
state: {settings: {dir: state}}
admin: {listen: "127.0.0.1:0"}
`, api.URL, relay.LocalAddr())
	if err := os.WriteFile("sluice.yaml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(line string, exit int) string {
		t.Helper()
		var out bytes.Buffer
		if got := execute(t.Context(), strings.Fields(line), nil, &out, &out); got != exit {
			t.Fatalf("sluice %s: exit code %d, want %d: %s", line, got, exit, out.String())
		}
		return out.String()
	}
	year := time.Now().UTC().Year()
	line := fmt.Sprintf("evidence bundle -c sluice.yaml --from %d-01-01T00:00:00Z --to %d-01-01T00:00:00Z -o ", year, year+1)
	command("key new acme", 0)
	command("run -c sluice.yaml --once", 0)
	command("run -c sluice.yaml --once", 0) // its open notes cover what the first run left
	said := command(line+"whole.zip", 0)
	if !strings.Contains(said, "the records that were read are as they were delivered") || !strings.Contains(said, "not read: sink relay: it cannot be read back") {
		t.Errorf("it says %s", said)
	}
	if again := command(line+"whole.zip", 1); !strings.Contains(again, "whole.zip is there already") {
		t.Errorf("a second time it says %s", again)
	}
	files := unzip(t, "whole.zip")
	notes := 0
	for name, text := range files {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "PRIVATE") {
			t.Errorf("%s has a secret", name)
		}
		if strings.HasPrefix(name, "notes/") {
			notes++
			verifies(t, files, name, text)
		}
	}
	if notes != 5 { // two of each lane that can be read back, and the one that waits for the relay
		t.Errorf("%d notes, want 5", notes)
	}
	for name, want := range map[string]string{
		"README.txt": "- NOT READ: sink relay", "configuration.txt": "sources.acme.settings.access_token: [secret]",
		"own-log.ndjson": `"action":"sluice.evidence_began"`, "statements.csv": "lane,log,note,", "report.json": `"verdict": "clean"`,
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %s: %s", name, want, files[name])
		}
	}

	records, err := os.ReadFile("audit.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(records, []byte("\n"))
	if err := os.WriteFile("audit.ndjson", bytes.Join(append(lines[:7:7], lines[8:]...), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	command(line+"cut.zip", 0)
	var report verify.Report
	if err := json.Unmarshal([]byte(unzip(t, "cut.zip")["report.json"]), &report); err != nil {
		t.Fatal(err)
	}
	if report.Verdict != verify.Findings || len(report.Findings) != 1 || report.Findings[0].Kind != verify.Missing {
		t.Errorf("without a record the report is %+v", report)
	}
}

// unzip returns the files of a zip.
func unzip(t *testing.T, name string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// verifies checks a note as the README of a bundle says, with one of its keys.
func verifies(t *testing.T, files map[string]string, name, note string) {
	t.Helper()
	text, rest, _ := strings.Cut(note, "\n\n")
	_, signed, _ := strings.Cut(rest, "— acme ")
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(signed))
	if err != nil || len(signature) != 68 {
		t.Fatalf("%s: signature %q, %v", name, signed, err)
	}
	for at, file := range files {
		if !strings.HasSuffix(at, ".pem") {
			continue
		}
		block, _ := pem.Decode([]byte(file))
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !ed25519.Verify(key.(ed25519.PublicKey), []byte(text+"\n"), signature[4:]) {
			t.Errorf("%s is not signed by %s", name, at)
		}
	}
}
