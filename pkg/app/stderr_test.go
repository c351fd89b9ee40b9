package app_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// Nobody reads the log of the process, and its pipe is full from the beginning. Delivery
// continues, and the process ends in time.
func TestDeliveryGoesOnWhileStderrIsFull(t *testing.T) {
	p := startWithFullStderr(t, `exec "$@"`)
	p.await(t, 5)
	p.api.Append(5)
	p.await(t, 10)
	p.stop(t)
}

func TestLogLinesWaitUntilStderrIsRead(t *testing.T) {
	p := startWithFullStderr(t, `exec "$@"`)
	p.await(t, 5)
	blanks := make([]byte, pipeSize)
	if _, err := io.ReadFull(p.stderr, blanks); err != nil || strings.Trim(string(blanks), " ") != "" {
		t.Fatalf("got %.100q, %v; want nothing that the process says", strings.TrimSpace(string(blanks)), err)
	}
	lines := bufio.NewScanner(p.stderr)
	if !lines.Scan() || !strings.Contains(lines.Text(), "sluice started") {
		t.Errorf("got first line %q, %v", lines.Text(), lines.Err())
	}
	p.stop(t)
}

func TestAFailureExitsWhileStderrIsFull(t *testing.T) {
	p := startWithFullStderr(t, `ADMIN=192.0.2.1:9876 exec "$@"`) // An address of no machine, RFC 5737.
	_ = p.Wait()
	if code := p.ProcessState.ExitCode(); code != 1 {
		t.Errorf("got %v, want exit code 1", p.ProcessState)
	}
}

func TestTailGoesOnWhileStderrIsFull(t *testing.T) {
	p := startWithFullStderr(t, "exec sluice tail -c sluice.yaml > audit.ndjson")
	if err := patiently(func() error {
		p.api.Append(1) // The first events may come before tail polls.
		return hasLines(p.archive, 3)
	}); err != nil {
		t.Error(err)
	}
	p.stop(t)
}

const pipeSize = 64 << 10 // pipe(7)

// startWithFullStderr runs a shell command in which "$@" is sluice run.
func startWithFullStderr(t *testing.T, command string) *process {
	return startProcess(t, 5, "sh", "-c", `printf '%65536s' '' >&2; `+command, "sh")
}
