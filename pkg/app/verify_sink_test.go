package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// taken keeps what an intake gets.
type taken struct {
	mu      sync.Mutex
	claims  []verify.Claim
	foreign []string
}

func (t *taken) Add(claims ...verify.Claim) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claims = append(t.claims, claims...)
}

func (t *taken) Foreign(at verify.Place, _ string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.foreign = append(t.foreign, fmt.Sprint(filepath.Base(at.Name), ":", at.Line))
}

const readSinks = `
sources: [{name: acme, type: planetscale, settings: {organization: acme, access_token: any}}]
state: {settings: {dir: state}}
sinks:
  - {name: archive, type: file, settings: {path: %q}}
  - {name: siem, type: syslog, settings: {address: "tcp://127.0.0.1:514"}}
admin: {listen: "127.0.0.1:0"}
`

// Every record of all lanes of a sink is read, with its place.
func TestReadBackTakesEveryRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	const lines = 3*readBackBatch + 7
	for file, n := range map[string]int{path: lines, strings.Replace(path, ".ndjson", ".sluice.ndjson", 1): 1} {
		if err := os.WriteFile(file, bytes.Repeat([]byte("no record\n"), n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := parsed(t, fmt.Sprintf(readSinks, path), nil)
	var got taken
	parser := verify.NewParser(nil)
	if err := readBack(t.Context(), cfg, "archive", sink.Access{}, parser, &got, zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	want := []string{"audit.sluice.ndjson:1"}
	for n := range lines {
		want = append(want, fmt.Sprint("audit.ndjson:", n+1))
	}
	slices.Sort(want)
	slices.Sort(got.foreign)
	if !slices.Equal(got.foreign, want) || len(got.claims) > 0 {
		t.Errorf("got %d claims and %d foreign lines, want %d", len(got.claims), len(got.foreign), len(want))
	}
}

func TestReadBackOfWhatCannotBeRead(t *testing.T) {
	cfg := parsed(t, fmt.Sprintf(readSinks, filepath.Join(t.TempDir(), "missing.ndjson")), nil)
	parser := verify.NewParser(nil)
	for name, want := range map[string]struct {
		usage bool
		hint  string
	}{
		"siem":    {true, "in place of --sink"},
		"other":   {true, ""},
		"archive": {false, "in place of --sink"},
	} {
		err := readBack(t.Context(), cfg, name, sink.Access{}, parser, &taken{}, zerolog.Nop())
		if err == nil || errors.As(err, new(usageError)) != want.usage || !strings.Contains(failure.Hint(err), want.hint) {
			t.Errorf("%s: got %v with hint %q", name, err, failure.Hint(err))
		}
	}
}

// A sink is read back, or says what to export.
func TestEverySinkIsReadBackOrSaysWhatToExport(t *testing.T) {
	for _, kind := range kinds().Sinks {
		settings := kind.Settings()
		_, readable := settings.(sink.Readable)
		if e, ok := settings.(sink.Exportable); !readable && (!ok || e.Export() == "") {
			t.Errorf("type %s is neither Readable nor Exportable", kind.Name)
		}
	}
}

func TestTheTokenForReading(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	t.Setenv(readToken, "of the environment")
	if got, err := accessOf("https://reader:8089", ""); err != nil || got != (sink.Access{URL: "https://reader:8089", Token: "of the environment"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, want := range map[string]string{"abc\n": "abc", " \n": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := accessOf("", file); got.Token != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	if _, err := accessOf("", file+".missing"); err == nil {
		t.Error("a file that is missing is no error")
	}
}
