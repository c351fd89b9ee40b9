//go:build integration

package app

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cloneVariable names the clone to the process in which the blocks of README.md are pasted.
const cloneVariable = "SLUICE_TEST_CLONE"

// TestDocumentsInAFreshClone pastes blocks into a shell in a fresh clone, with nothing in
// the place of what they name: those of README.md up to the console, and those that build
// a module of one's own. README.md names fixed ports, so its shell is in a network
// namespace, which only root can create.
func TestDocumentsInAFreshClone(t *testing.T) {
	if clone := os.Getenv(cloneVariable); clone != "" {
		quickStart(t, clone)
		return
	}
	t.Parallel()
	home := t.TempDir()
	clone := filepath.Join(home, "sluice")
	if out, err := exec.Command("git", "clone", "--quiet", "../..", clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v: %s", err, out)
	}
	t.Run("README.md", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^TestDocumentsInAFreshClone$", "-test.timeout=20m")
		cmd.Env = append(os.Environ(), cloneVariable+"="+clone)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("in a network namespace: %v\n%s", err, out)
		}
		t.Logf("%s", out)
	})
	for name, dir := range map[string]string{"CONTRIBUTING.md": home, "docs/extending.md": clone} {
		t.Run(name, func(t *testing.T) {
			sh := newShell(t, dir, strings.NewReplacer())
			for _, f := range fences(read(t, filepath.Join(clone, name))) {
				if f.mark == inTheGate {
					sh.paste(t, f)
				}
			}
			sh.end(t)
		})
	}
}

// quickStart pastes the blocks of README.md and opens the console.
func quickStart(t *testing.T, clone string) {
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("ip: %v: %s", err, out)
	}
	upToTheConsole, _, found := strings.Cut(read(t, filepath.Join(clone, "README.md")), "\n### Into your SIEM\n")
	if !found {
		t.Fatal("README.md has no section Into your SIEM")
	}
	began := time.Now()
	sh := newShell(t, clone, strings.NewReplacer())
	for _, f := range fences(upToTheConsole) {
		if f.language == "sh" && f.mark != notRun {
			sh.paste(t, f)
		}
	}
	answer, err := http.Get("http://" + adminAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(page), "acme/siem") {
		t.Errorf("got %s, %v and a page without the lane:\n%s", answer.Status, err, page)
	}
	t.Logf("from a fresh clone to the console in %s", time.Since(began).Round(time.Second))
}
