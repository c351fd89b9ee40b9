package baseline

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// role makes the test binary run as the script, so its time and memory are those of a
// process that does nothing else.
const role = "SLUICE_BASELINE"

func TestMain(m *testing.M) {
	work, ok := os.LookupEnv(role)
	if !ok {
		os.Exit(m.Run())
	}
	if err := be(work, os.Getenv(role+"_URL")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func be(work, url string) error {
	s := &Script{URL: url, Organization: "acme", Client: http.DefaultClient}
	if work == "skim" {
		_, err := s.Skim(context.Background())
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = s.Run(context.Background(), null)
	return err
}

// forwarder returns the command of a process that reads the log at url.
type forwarder func(t testing.TB, url string) *exec.Cmd

func script(t testing.TB, url string) *exec.Cmd { return self(t, "run", url) }

func skim(t testing.TB, url string) *exec.Cmd { return self(t, "skim", url) }

func self(t testing.TB, work, url string) *exec.Cmd {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), role+"="+work, role+"_URL="+url)
	return cmd
}

// sluice is `sluice run --once` with a sink.
func sluice(binary, sink string) forwarder {
	return func(t testing.TB, url string) *exec.Cmd {
		const text = `
sources:
  - name: acme
    type: planetscale
    settings: {organization: acme, access_token: token, url: %q, requests_per_minute: 0}
state: {settings: {dir: %q}}
admin: {listen: "127.0.0.1:0"}
sinks:
  - %s
`
		dir := t.TempDir()
		config := filepath.Join(dir, "sluice.yaml")
		content := fmt.Sprintf(text, url, filepath.Join(dir, "state"), sink)
		if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(binary, "run", "--once", "-c", config)
	}
}

// build compiles the command and returns the path of its binary.
func build(t testing.TB) string {
	binary := filepath.Join(t.TempDir(), "sluice")
	cmd := exec.Command("go", "build", "-o", binary, "github.com/sluice-siem/sluice/cmd/sluice")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// simulate serves a log of so many events from a process of its own and returns its
// address.
func simulate(t testing.TB, binary string, events int, flags ...string) string {
	args := []string{"simulate", "--listen", "127.0.0.1:0", "--rate", "0", "--requests-per-minute", "0", "--events", strconv.Itoa(events)}
	cmd := exec.Command(binary, append(args, flags...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // its error is that the process was killed
	})
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, found := strings.Cut(strings.TrimSpace(line), " on ")
	if !found {
		t.Fatalf("the simulator said %q", line)
	}
	return address
}

// cost is the time and memory of a process.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // bytes at most
}

// measure runs a forwarder to its end.
func measure(t testing.TB, f forwarder, url string) cost {
	cmd := f(t, url)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return costOf(cmd, time.Since(began))
}

// costOf returns the counts of the kernel (getrusage(2)).
func costOf(cmd *exec.Cmd, wall time.Duration) cost {
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rss: usage.Maxrss << 10}
}

// median of an odd number of figures.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}
