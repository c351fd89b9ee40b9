package file_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/sink/file"
)

func fifo(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reader opens a pipe without waiting for a writer.
func reader(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return f
}

// untouched is a disk that allows only writes.
func untouched(t *testing.T) file.Disk {
	return file.Disk{
		Sync:     func(*os.File) error { t.Error("a stream was synced"); return nil },
		Truncate: func(*os.File, int64) error { t.Error("a stream was cut"); return nil },
	}
}

func rotating(path string) func(*file.Settings) {
	return func(s *file.Settings) { s.Path, s.MaxBytes = path, 1 }
}

func TestPipeIsOnlyWrittenTo(t *testing.T) {
	path := fifo(t, t.TempDir())
	in := bufio.NewReader(reader(t, path))
	snk := open(t, file.On(untouched(t)), rotating(path))
	for _, body := range []string{"a", "b"} {
		publish(t, snk, body)
		if got, err := in.ReadString('\n'); err != nil || got != body+"\n" {
			t.Errorf("got %q, error %v, want %q", got, err, body)
		}
	}
}

func TestPipeThatLostItsReaderIsOpenedAgain(t *testing.T) {
	path := fifo(t, t.TempDir())
	first := reader(t, path)
	snk := open(t, file.On(untouched(t)), at(path))
	publish(t, snk, "a")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	wantHint(t, snk.Publish(t.Context(), batch("b")), "broken pipe", "no program reads from")
	second := bufio.NewReader(reader(t, path))
	publish(t, snk, "b")
	if got, err := second.ReadString('\n'); err != nil || got != "b\n" {
		t.Errorf("got %q, error %v, want %q", got, err, "b\n")
	}
}

// TestCloseInterruptsAPipeThatIsFull publishes more than a pipe holds, 64 KiB
// (pipe(7)), while its reader does not read.
func TestCloseInterruptsAPipeThatIsFull(t *testing.T) {
	path := fifo(t, t.TempDir())
	reader(t, path)
	begun, returned := make(chan struct{}), make(chan error, 1)
	snk := openUnclosed(t, file.On(file.Disk{Write: func(f *os.File, text []byte) (int, error) {
		close(begun)
		n, err := f.Write(text)
		returned <- err
		return n, err
	}}), zerolog.Nop(), at(path))
	published := make(chan error, 1)
	go func() { published <- snk.Publish(t.Context(), batch(strings.Repeat("x", 1<<20))) }()
	<-begun
	if err := snk.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-published; err == nil || !strings.Contains(err.Error(), "sink was closed") {
		t.Errorf("got %v of a Publish that was interrupted, want that the sink was closed", err)
	}
	if err := <-returned; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got error %v of the write, want %v", err, os.ErrDeadlineExceeded)
	}
}

func TestTornLineInAStreamDoesNotMerge(t *testing.T) {
	path := fifo(t, t.TempDir())
	in := bufio.NewReader(reader(t, path))
	torn := true
	d := untouched(t)
	d.Write = func(f *os.File, text []byte) (int, error) {
		if torn {
			torn = false
			n, err := f.Write(text[:3])
			return n, errors.Join(err, syscall.EIO)
		}
		return f.Write(text)
	}
	snk := open(t, file.On(d), at(path))
	if err := snk.Publish(t.Context(), batch("first")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got error %v, want %v", err, syscall.EIO)
	}
	publish(t, snk, "first")
	for _, want := range []string{"fir\n", "first\n"} {
		if got, err := in.ReadString('\n'); err != nil || got != want {
			t.Errorf("got %q, error %v, want %q", got, err, want)
		}
	}
}

// TestAbandonedWriteKeepsItsBytes publishes again while an earlier write hangs whose
// Publish has returned.
func TestAbandonedWriteKeepsItsBytes(t *testing.T) {
	path := fifo(t, t.TempDir())
	in := bufio.NewReader(reader(t, path))
	d := &faulty{lines: -1}
	snk := open(t, file.On(file.Disk{Write: d.write}), at(path))
	publish(t, snk, "this one leaves a buffer")
	abandon(t, snk, d, "left", "held")
	publish(t, snk, "last")
	for _, want := range []string{"this one leaves a buffer\n", "left\n", "last\n"} {
		if got, err := in.ReadString('\n'); err != nil || got != want {
			t.Errorf("got %q, error %v, want %q", got, err, want)
		}
	}
}

func TestDevicesAreOnlyWrittenTo(t *testing.T) {
	for _, path := range []string{"/dev/null", "/dev/zero"} {
		snk := open(t, file.On(untouched(t)), rotating(path))
		for range 3 {
			publish(t, snk, "a")
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode()&os.ModeCharDevice == 0 {
			t.Fatalf("%s is %v, error %v", path, info.Mode(), err)
		}
	}
}

// TestClosedOutputIsRefused opens a path in /dev/fd that leads to the null device,
// which the runtime opens in place of a closed standard descriptor.
func TestClosedOutputIsRefused(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	path := fmt.Sprint("/dev/fd/", null.Fd())
	snk := open(t, file.On(untouched(t)), at(path))
	wantHint(t, snk.Publish(t.Context(), batch("a")), "leads to the null device", "start sluice with "+path+" open")
}

func TestNullDeviceIsLogged(t *testing.T) {
	var log strings.Builder
	snk := openUnclosed(t, file.On(untouched(t)), zerolog.New(&log), at(os.DevNull))
	publish(t, snk, "a")
	if err := snk.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "records are discarded") {
		t.Errorf("got log %q, want a warning", log.String())
	}
}

// TestInheritedFile writes to a regular file through /dev/fd, as after a shell
// redirected /dev/stdout.
func TestInheritedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redirected")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("torn"); err != nil {
		t.Fatal(err)
	}
	snk := open(t, file.On(untouched(t)), rotating(fmt.Sprint("/dev/fd/", f.Fd())))
	publish(t, snk, "a")
	publish(t, snk, "b")
	wantContent(t, path, "torna\nb\n")
}
