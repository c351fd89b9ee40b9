package checkpoint_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/source"
)

// holdVariable makes the test binary hold the directory that it names until it is killed.
const holdVariable = "SLUICE_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		held, err := checkpoint.Open(dir)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin)
		runtime.KeepAlive(held) // A lock that nobody has any more is released by the garbage collector.
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestHold(t *testing.T) {
	t.Run("a second process gets an error that names the holder, until the holder is killed", func(t *testing.T) {
		dir := t.TempDir()
		first := exec.Command(os.Args[0])
		first.Env = append(os.Environ(), holdVariable+"="+dir)
		stdin, err := first.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		stdout, err := first.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		if got, err := bufio.NewReader(stdout).ReadString('\n'); got != "held\n" {
			t.Fatalf("got %q, %v from the first process, want held", got, err)
		}

		_, err = checkpoint.Open(dir)
		if !errors.Is(err, checkpoint.ErrInUse) {
			t.Fatalf("got error %v, want ErrInUse", err)
		}
		host, hostErr := os.Hostname()
		if hostErr != nil {
			t.Fatal(hostErr)
		}
		want := fmt.Sprintf("open state directory: %s: is in use by process %d on host %s since 20", dir, first.Process.Pid, host)
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %q, want prefix %q", err, want)
		}
		if !strings.Contains(hint(err), "its own state directory") {
			t.Errorf("got hint %q, want the way out", hint(err))
		}

		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := first.Wait(); err == nil {
			t.Fatal("the first process ended before it was killed")
		}
		open(t, dir)
	})
	t.Run("nothing is saved once the directory was removed and created again", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		first := open(t, dir)
		save(t, first, lane, `1`)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		second := open(t, dir)
		err := first.Save(t.Context(), lane, source.Position(`2`))
		if !errors.Is(err, statedir.ErrLost) || !strings.Contains(hint(err), "no other sluice") {
			t.Errorf("got error %v, hint %q, want ErrLost and what to look for", err, hint(err))
		}
		if got := load(t, second, lane); got != "" {
			t.Errorf("the first process wrote %s over the second's position", got)
		}
	})
	t.Run("a lock that is a symbolic link is refused, and its target untouched", func(t *testing.T) {
		dir := t.TempDir()
		target := filepath.Join(t.TempDir(), "target")
		if err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, filepath.Join(dir, "lock"))); err != nil {
			t.Fatal(err)
		}
		if _, err := checkpoint.Open(dir); err == nil || !strings.Contains(hint(err), "symbolic link") {
			t.Errorf("got error %v, hint %q, want a refusal of the link", err, hint(err))
		}
		if got, err := os.ReadFile(target); err != nil || string(got) != "precious" {
			t.Errorf("the target holds %q, error %v", got, err)
		}
	})
	t.Run("a directory is free once it is closed", func(t *testing.T) {
		dir := t.TempDir()
		d := open(t, dir)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("second Close: got error %v, want nil", err)
		}
		open(t, dir)
	})
	t.Run("a holder that has not signed yet has no name", func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir)
		if err := os.Truncate(filepath.Join(dir, "lock"), 0); err != nil {
			t.Fatal(err)
		}
		_, err := checkpoint.Open(dir)
		if !errors.Is(err, checkpoint.ErrInUse) || !strings.Contains(err.Error(), "another process") {
			t.Errorf("got error %v, want ErrInUse by another process", err)
		}
	})
	t.Run("half-written files are removed, and no others", func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"a+b.json.123.tmp", "a+b.json.123.tmp.json", "notes.tmp"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		open(t, dir)
		for name, want := range map[string]bool{"a+b.json.123.tmp": false, "a+b.json.123.tmp.json": true, "notes.tmp": true} {
			_, err := os.Stat(filepath.Join(dir, name))
			if got := err == nil; got != want {
				t.Errorf("%s is there: got %v, want %v", name, got, want)
			}
		}
	})
}

// TestProbe holds that Probe returns the error of Open, and neither makes nor locks
// anything.
func TestProbe(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"a directory":               func(dir string) error { return os.Mkdir(dir, 0o700) },
		"one that others can enter": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o755)) },
		"a missing one":             func(string) error { return nil },
		"a file":                    func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"one that was closed": func(dir string) error {
			d, err := checkpoint.Open(dir)
			return errors.Join(err, d.Close())
		},
		"a lock that is a link": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Symlink("elsewhere", filepath.Join(dir, "lock")))
		},
		"one that is held": func(dir string) error {
			d, err := checkpoint.Open(dir)
			t.Cleanup(func() { d.Close() })
			return err
		},
		"one whose holder died": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "lock"), []byte(`{"pid":1}`), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			missing, warning, err := checkpoint.Probe(dir)
			if missing != (name == "a missing one") || strings.Contains(warning, "chmod 0700") != (name == "one that others can enter") {
				t.Errorf("got missing %t, warning %q", missing, warning)
			}
			d, opened := checkpoint.Open(dir)
			if fmt.Sprint(err) != fmt.Sprint(opened) || hint(err) != hint(opened) {
				t.Errorf("Probe: %v\nOpen:  %v", err, opened)
			}
			if opened == nil && d.Close() != nil {
				t.Error("the directory cannot be closed")
			}
		})
	}
}

// A process that was killed leaves a signed lock. Another process that asks whether it is
// held takes it for a moment, and that must not refuse a start.
func TestAQuestionRefusesNoStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	if err := os.WriteFile(path, []byte(`{"pid":99999,"host":"dead","since":"2026-11-30T00:00:00Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		asking, err := os.Open(path)
		if err == nil {
			err = unix.Flock(int(asking.Fd()), unix.LOCK_SH)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, func() { asking.Close() })
		d, err := checkpoint.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
