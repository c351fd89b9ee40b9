// Package counterpart runs the scripts under .ci, which run the real programs that
// integration tests use. Each script has the name of its directory.
package counterpart

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Script returns the path of the script of that name. It looks for .ci above the working
// directory, since a binary built with -trimpath does not know where its source is.
func Script(name string) string {
	for dir := "."; ; dir = filepath.Join("..", dir) {
		abs, err := filepath.Abs(dir)
		if err != nil {
			panic(err)
		}
		script := filepath.Join(abs, ".ci", name, name)
		if _, err := os.Stat(script); err == nil || abs == filepath.Dir(abs) {
			return script
		}
	}
}

// Start runs the script's command start. The script returns once the program that it
// started answers, and prints the program's process id.
func Start(name string, args ...string) (*os.Process, error) {
	cmd := exec.Command(Script(name), append([]string{"start"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w: %s", name, err, stderr.String())
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return os.FindProcess(pid)
}

// Await returns once a process of Start is gone. It is not a child of the test, so the
// test cannot wait for it as for one.
func Await(ctx context.Context, p *os.Process) error {
	gone := func() error {
		if !ended(p.Pid) {
			return fmt.Errorf("process %d runs on", p.Pid)
		}
		return nil
	}
	return backoff.Retry(gone, backoff.WithContext(backoff.NewConstantBackOff(50*time.Millisecond), ctx))
}

// ended reports whether a process is gone, or waits to be reaped by whoever has
// adopted it. Its state follows its name in parentheses: proc_pid_stat(5).
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	behind := stat[bytes.LastIndexByte(stat, ')')+1:]
	return bytes.HasPrefix(behind, []byte(" Z"))
}
