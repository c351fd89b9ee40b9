//go:build integration

package app_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestFileSystems lets system calls fail as they do on file systems that lack them, in the
// real binary: strace puts the errors in (strace(1), option inject).
func TestFileSystems(t *testing.T) {
	s := newSite(t, simulator.Config{Events: 3, Tame: true})
	s.configure(t, "100ms", `  - name: archive
    type: file
    own_events: false
    format: raw
    settings:
      path: "`+s.path("audit.ndjson")+`"
      mode: 0660
`)
	for _, c := range []struct{ name, inject, path, want string }{
		{"NFS without lockd: state directory", "flock:error=ENOLCK", "state/lock", "/state has no locks, which keep two processes from overwriting each other's files"},
		{"no locks: file sink", "flock:error=EOPNOTSUPP", "audit.ndjson", "audit.ndjson has no locks"},
		{"no sync of a directory: checkpoint", "fsync:error=EINVAL", "state", "cannot sync, so a loss of power could undo what was stored"},
		{"no sync: file sink", "fsync:error=EINVAL", "audit.ndjson", "audit.ndjson cannot sync"},
		{"quota: file sink", "write:error=EDQUOT", "audit.ndjson", "is used up on the file system of "},
		{"chmod of CIFS: file sink", "fchmod:error=EPERM", "audit.ndjson", "the file system does not keep the mode of the file"},
	} {
		t.Run(c.name, func(t *testing.T) { s.awaitStderr(t, c.inject, c.path, c.want) })
	}
}

// awaitStderr runs the site in a directory of its own, with faults of one system call on
// one path, until its stderr has a text.
func (s *site) awaitStderr(t *testing.T, inject, path, want string) {
	t.Helper()
	dir := t.TempDir()
	config, err := os.ReadFile(s.path("sluice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(config), s.dir, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	call, _, _ := strings.Cut(inject, ":")
	// The umask, so that there is a mode to set.
	cmd := exec.Command("sh", "-c", `umask 022; exec "$@"`, "sh", "strace", "-f", "-o", "/dev/null", "-e", "trace="+call,
		"-P", filepath.Join(dir, path), "-e", "inject="+inject, s.binary, "run", "-c", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // strace and sluice; they may have ended
	overdue := time.AfterFunc(time.Minute, kill)
	defer overdue.Stop()
	var seen strings.Builder
	lines := bufio.NewScanner(io.TeeReader(stderr, &seen))
	for lines.Scan() && !strings.Contains(lines.Text(), want) {
	}
	if !strings.Contains(seen.String(), want) {
		t.Errorf("got the stderr\n%s\nwant %q in it", &seen, want)
	}
	kill()
	_ = cmd.Wait() // killed
}
