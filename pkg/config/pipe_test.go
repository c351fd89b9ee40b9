package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/failure"
)

// A configuration may come from a pipe at a start. Nothing blocks at one later: not a
// reload, and not the looks of --watch.
func TestAPipeIsReadOnlyAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		wrote <- os.WriteFile(path, []byte("sources: [{name: a, type: planetscale, settings: {organization: acme, service_token_id: i, service_token: t}}]\nsinks: [{name: out, type: stdout}]\n"), 0o600)
	}()
	_, trace, err := config.LoadTraced(path, kinds)
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if trace.Now() == trace.Read() {
		t.Error("a look read the pipe")
	}
	_, trace, err = config.LoadAgain(path, kinds)
	if err == nil || !strings.HasSuffix(err.Error(), path+": is not a regular file") || !strings.Contains(failure.Hint(err), "restart sluice") {
		t.Errorf("got %v", err)
	}
	if trace.Now() != trace.Read() {
		t.Error("what was refused is no change at the next look")
	}
}
