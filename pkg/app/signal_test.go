package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// process is a sluice run, with an audit log of its own and a file that it
// delivers to.
type process struct {
	*exec.Cmd
	api     *simulator.Server
	archive string
	stderr  io.ReadCloser // what it logs
}

// startProcess runs the command after prefix, for example a shell that changes how the
// process starts.
func startProcess(t *testing.T, events int, prefix ...string) *process {
	t.Helper()
	p := &process{api: simulator.New(simulator.Config{Events: events, Tame: true, AccessToken: "token"})}
	server := httptest.NewServer(p.api)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	config, err := os.ReadFile("testdata/sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sluice.yaml"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(prefix, "sluice", "run", "-c", "sluice.yaml")
	p.Cmd = exec.Command(args[0], args[1:]...)
	p.Dir, p.archive = dir, filepath.Join(dir, "audit.ndjson")
	p.Env = append(os.Environ(), "URL="+server.URL, "TOKEN=token", "ADMIN=127.0.0.1:0")
	if p.stderr, err = p.StderrPipe(); err != nil {
		t.Fatal(err)
	}
	// A signal that this process handles has its default action in the new process. A
	// signal that this process ignores, such as SIGHUP under nohup, would be ignored
	// there, too.
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	err = p.Start()
	signal.Stop(hangUps)
	if err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() }) // So a test that waits for the process ends.
	t.Cleanup(func() { overdue.Stop() })
	t.Cleanup(func() { _ = p.Process.Kill() }) // It may have ended already.
	return p
}

// await waits until n events were delivered.
func (p *process) await(t *testing.T, n int) {
	t.Helper()
	if err := patiently(func() error { return hasLines(p.archive, n) }); err != nil {
		t.Fatal(err)
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop ends the process as a service manager does, and expects exit code 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestHangUpEndsNothing(t *testing.T) {
	p := startProcess(t, 5)
	p.await(t, 5)
	p.signal(t, syscall.SIGHUP)
	log := bufio.NewScanner(p.stderr)
	for !strings.Contains(log.Text(), "SIGHUP") {
		if !log.Scan() {
			t.Fatalf("the log ended without a line about SIGHUP: %v", log.Err())
		}
	}
	if want := `"level":"info"`; !strings.Contains(log.Text(), want) {
		t.Errorf("got log line %s, want %s in it", log.Text(), want)
	}
	p.api.Append(5)
	p.await(t, 10)
	p.signal(t, syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, p.stderr); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// SIGHUP puts a changed file in force. A lane that is new delivers, and the other resumes.
func TestHangUpReloads(t *testing.T) {
	p := startProcess(t, 5)
	p.await(t, 5)
	path := filepath.Join(p.Dir, "sluice.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(text), "sinks:\n", "sinks:\n  - {name: more, type: file, format: raw, own_events: false, settings: {path: more.ndjson}}\n", 1)
	more = strings.Replace(more, "name: archive", "name: archive\n    max_rejects: 7", 1)
	if err := os.WriteFile(path, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGHUP)
	if err := patiently(func() error { return hasLines(filepath.Join(p.Dir, "more.ndjson"), 5) }); err != nil {
		t.Fatal(err)
	}
	p.api.Append(5)
	p.await(t, 10)
	log := bufio.NewScanner(p.stderr)
	for !strings.Contains(log.Text(), "configuration reloaded") {
		if !log.Scan() {
			t.Fatalf("the log ended without a line about the reload: %v", log.Err())
		}
	}
	for _, want := range []string{`"keys":["sinks.archive.max_rejects","sinks.more"]`, `"started":["acme/more"]`, `"restarted":["acme/archive"]`} {
		if !strings.Contains(log.Text(), want) {
			t.Errorf("got %s, want %s in it", log.Text(), want)
		}
	}
	p.stop(t)
}

// A process started by nohup ignores SIGHUP. A handler would undo that.
func TestIgnoredHangUpStaysIgnored(t *testing.T) {
	p := startProcess(t, 5, "sh", "-c", `trap "" HUP; exec "$@"`, "sh")
	p.await(t, 5)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(status), "SigIgn:\t")
	var ignored uint64
	if _, err := fmt.Sscanf(text, "%x", &ignored); !found || err != nil {
		t.Fatalf("reading the ignored signals: %v", err)
	}
	if ignored&(1<<(syscall.SIGHUP-1)) == 0 {
		t.Errorf("SIGHUP is not among the ignored signals %#x", ignored)
	}
	p.stop(t)
}

// The reader of the log goes away, like head, or like a journal that restarts. SIGHUP
// then makes the process write a line that nobody reads.
func TestBrokenStderrEndsNothing(t *testing.T) {
	p := startProcess(t, 5)
	p.await(t, 5)
	if err := p.stderr.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.signal(t, syscall.SIGHUP)
	}
	p.api.Append(5)
	p.await(t, 10)
	p.stop(t)
}
