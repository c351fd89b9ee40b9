package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
	"github.com/sluice-siem/sluice/pkg/sink/sinktest"
)

// open opens a sink and closes it at the end.
func open(t testing.TB, typ sink.Type, change func(*file.Settings)) sink.Sink {
	t.Helper()
	snk := openUnclosed(t, typ, zerolog.Nop(), change)
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
	return snk
}

func openUnclosed(t testing.TB, typ sink.Type, log zerolog.Logger, change func(*file.Settings)) sink.Sink {
	t.Helper()
	settings := typ.Settings().(*file.Settings)
	change(settings)
	env := sink.Env{Lane: "acme/archive", Source: "acme", Log: log}
	snk, err := typ.Open(context.Background(), env, settings)
	if err != nil {
		t.Fatal(err)
	}
	return snk
}

func at(path string) func(*file.Settings) {
	return func(s *file.Settings) { s.Path = path }
}

func batch(bodies ...string) []sink.Record {
	var b []sink.Record
	for _, body := range bodies {
		b = append(b, sink.Record{Body: []byte(body)})
	}
	return b
}

func publish(t testing.TB, snk sink.Sink, bodies ...string) {
	t.Helper()
	if err := snk.Publish(context.Background(), batch(bodies...)); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantContent(t testing.TB, path, want string) {
	t.Helper()
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Errorf("content of %s (-want +got):\n%s", filepath.Base(path), diff)
	}
}

// faulty is a disk that is full after some lines and half of another one, or hangs.
type faulty struct {
	mu      sync.Mutex
	lines   int // whole lines that still fit; -1: all
	hanging chan struct{}
	reached chan struct{}
}

func (d *faulty) write(f *os.File, text []byte) (int, error) {
	d.mu.Lock()
	lines, hanging := d.lines, d.hanging
	if d.reached != nil {
		close(d.reached)
		d.reached = nil
	}
	d.mu.Unlock()
	if hanging != nil {
		<-hanging
	}
	if lines < 0 {
		return f.Write(text)
	}
	fits := 0
	for range lines {
		fits += bytes.IndexByte(text[fits:], '\n') + 1
	}
	if lines > 0 {
		fits += (len(text) - fits) / 2
	}
	n, err := f.Write(text[:fits])
	return n, errors.Join(err, syscall.ENOSPC)
}

func (d *faulty) fill(_ testing.TB, lines int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = lines
}

func (d *faulty) hang(testing.TB) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hanging, d.reached = make(chan struct{}), make(chan struct{})
	return d.reached
}

func (d *faulty) repair(testing.TB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = -1
	if d.hanging != nil {
		close(d.hanging)
		d.hanging = nil
	}
}

func TestContract(t *testing.T) {
	sinktest.Run(t, func(t testing.TB) sinktest.Harness {
		path := filepath.Join(t.TempDir(), "audit.ndjson")
		d := &faulty{lines: -1}
		typ := file.On(file.Disk{Write: d.write})
		n := 0
		return sinktest.Harness{
			Open: func(t testing.TB) sink.Sink {
				return openUnclosed(t, typ, zerolog.Nop(), at(path))
			},
			Received: func(t testing.TB) [][]byte { return lines(t, path) },
			Refused: func(testing.TB) sink.Record {
				n++
				return sink.Record{Body: fmt.Appendf(nil, "forged %d\n{}", n)}
			},
			Break:  func(t testing.TB) { d.fill(t, 0) },
			Falter: d.fill,
			Hang:   d.hang,
			Repair: d.repair,
		}
	})
}

// lines returns the lines of a file without their line ends, including a torn last
// line. The file may not exist yet.
func lines(t testing.TB, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var all [][]byte
	for line := range bytes.Lines(b) {
		all = append(all, bytes.TrimSuffix(line, []byte("\n")))
	}
	return all
}

func TestAppendsToAnExistingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	write(t, path, "\x00not JSON\n\n\r\nlast\n")
	snk := open(t, file.Type, at(path))
	publish(t, snk, "a", "b")
	publish(t, snk, "c")
	wantContent(t, path, "\x00not JSON\n\n\r\nlast\na\nb\nc\n")
}

func TestSourceInPath(t *testing.T) {
	dir := t.TempDir()
	publish(t, open(t, file.Type, at(filepath.Join(dir, "{source}", "..", "{source}.ndjson"))), "a")
	wantContent(t, filepath.Join(dir, "acme.ndjson"), "a\n")
}

func TestModeOfNewFile(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		exists bool
		mode   file.Mode // 0: default
		want   os.FileMode
	}{
		{"default", false, 0, 0o600},
		{"as set, whatever the umask", false, 0o640, 0o640},
		{"of a file that is there", true, 0o640, 0o604},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if c.exists {
				write(t, path, "")
				if err := os.Chmod(path, c.want); err != nil {
					t.Fatal(err)
				}
			}
			publish(t, open(t, file.Type, func(s *file.Settings) {
				s.Path = path
				if c.mode != 0 {
					s.Mode = c.mode
				}
			}), "a")
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != c.want {
				t.Errorf("got mode %#o, want %#o", got, c.want)
			}
		})
	}
}

func TestRecordsThatCannotBeALineAreRefusedAndTheOthersWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	large := strings.Repeat("x", file.Longest)
	snk := open(t, file.Type, at(path))
	err := snk.Publish(t.Context(), batch("a", "b\nforged", large, large+"x"))
	partial, _ := errors.AsType[sink.BatchError](err)
	var got []string
	for _, e := range partial {
		got = append(got, fmt.Sprintf("%d: %v, permanent %t", e.Index, e.Err, sink.IsPermanent(e.Err)))
	}
	want := []string{
		"1: record contains a line end, permanent true",
		"3: record of 1048577 bytes is larger than 1048576, permanent true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	wantContent(t, path, "a\n"+large+"\n")
}

func TestAcknowledgesOnlyWhatWasSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	broken := errors.New("input/output error")
	syncs, fails := 0, true
	snk := open(t, file.On(file.Disk{Sync: func(f *os.File) error {
		syncs++
		if fails {
			return broken
		}
		return f.Sync()
	}}), at(path))
	if err := snk.Publish(t.Context(), batch("a")); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	wantContent(t, path, "") // the kernel may have dropped the bytes for good
	fails = false
	publish(t, snk, "a")
	wantContent(t, path, "a\n")
	if syncs != 2 {
		t.Errorf("got %d syncs, want one for each Publish", syncs)
	}
}

func TestFailedWriteIsUndone(t *testing.T) {
	for _, c := range []struct {
		name            string
		truncateFails   int // how many times
		afterFirst      string
		publishesToHeal int
	}{
		{"at once", 0, "acknowledged\n", 1},
		{"before the next, where cutting fails", 1, "acknowledged\na\nb", 1},
		{"as soon as cutting works", 3, "acknowledged\na\nb", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.ndjson")
			d := &faulty{lines: -1}
			fails := 0
			snk := open(t, file.On(file.Disk{Write: d.write, Truncate: func(f *os.File, size int64) error {
				if fails > 0 {
					fails--
					return syscall.EIO
				}
				return f.Truncate(size)
			}}), at(path))
			publish(t, snk, "acknowledged")
			d.fill(t, 1)
			fails = c.truncateFails
			if err := snk.Publish(t.Context(), batch("a", "bc")); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("got error %v, want %v", err, syscall.ENOSPC)
			}
			wantContent(t, path, c.afterFirst)
			d.repair(t)
			for range c.publishesToHeal - 1 {
				if err := snk.Publish(t.Context(), batch("a", "bc")); !errors.Is(err, syscall.EIO) {
					t.Fatalf("got error %v, want %v", err, syscall.EIO)
				}
			}
			publish(t, snk, "a", "bc")
			wantContent(t, path, "acknowledged\na\nbc\n")
		})
	}
}

// abandon publishes each body while the disk hangs, and returns once the context of the
// first Publish has ended and the disk works again.
func abandon(t *testing.T, snk sink.Sink, d *faulty, bodies ...string) {
	t.Helper()
	reached := d.hang(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	for _, body := range bodies {
		if err := snk.Publish(ctx, batch(body)); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v, want %v", err, context.Canceled)
		}
	}
	d.repair(t)
}

// TestAbandonedPublishIsUndone lets a write succeed after its Publish returned an
// error.
func TestAbandonedPublishIsUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	d := &faulty{lines: -1}
	snk := open(t, file.On(file.Disk{Write: d.write}), at(path))
	publish(t, snk, "first, and longer than what follows")
	abandon(t, snk, d, "left", "held")
	publish(t, snk, "left")
	wantContent(t, path, "first, and longer than what follows\nleft\n")
}

func TestCloseUndoesAnAbandonedPublish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.ndjson")
	d := &faulty{lines: -1}
	snk := openUnclosed(t, file.On(file.Disk{Write: d.write}), zerolog.Nop(), at(path))
	publish(t, snk, "acknowledged")
	abandon(t, snk, d, "left")
	if err := snk.Close(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "acknowledged\n")
}

// TestNamesAreDurableBeforeRecordsAre makes the sync of the directory fail for an
// existing, a new and a rotated file.
func TestNamesAreDurableBeforeRecordsAre(t *testing.T) {
	for _, found := range []bool{true, false} {
		t.Run(fmt.Sprintf("file found %t", found), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.ndjson")
			if found {
				write(t, path, "")
			}
			var result error
			synced := 0
			snk := open(t, file.On(file.Disk{SyncDir: func(got string) error {
				synced++
				if got != dir {
					t.Errorf("got %s synced, want %s", got, dir)
				}
				return result
			}}), rotating(path))
			for _, body := range []string{"a", "b"} { // the second one rotates
				result = syscall.EIO
				if err := snk.Publish(t.Context(), batch(body)); !errors.Is(err, syscall.EIO) {
					t.Errorf("got error %v, want %v", err, syscall.EIO)
				}
				result = nil
				publish(t, snk, body)
			}
			if synced != 4 {
				t.Errorf("got %d syncs of the directory, want 4", synced)
			}
			if _, texts := contents(t, dir); !slices.Equal(texts, []string{"a\n", "b\n"}) {
				t.Errorf("got files %q", texts)
			}
		})
	}
}

// TestFileRotatedWhileItWasOpened lets another process rotate the file and release
// its lock between open and lock.
func TestFileRotatedWhileItWasOpened(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.ndjson")
	write(t, path, "old\n")
	raced := false
	snk := open(t, file.On(file.Disk{Lock: func(f *os.File) error {
		if !raced {
			raced = true
			if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, []byte("new\n"), 0o600)); err != nil {
				return err
			}
		}
		return statedir.TryLockFile(f)
	}}), at(path))
	if err := snk.Publish(t.Context(), batch("a")); err == nil || !strings.Contains(err.Error(), "another file replaced it") {
		t.Errorf("got error %v, want the race to be noticed", err)
	}
	publish(t, snk, "a")
	if _, texts := contents(t, dir); !slices.Equal(texts, []string{"new\na\n", "old\n"}) {
		t.Errorf("got files %q, want only the new one appended to", texts)
	}
}

func TestOneWriterAtATime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.ndjson")
	link := filepath.Join(dir, "link.ndjson")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	first := openUnclosed(t, file.Type, zerolog.Nop(), at(path))
	publish(t, first, "a")
	second := open(t, file.Type, at(link))
	err := second.Publish(t.Context(), batch("b"))
	if !errors.Is(err, statedir.ErrLocked) || sink.IsPermanent(err) {
		t.Errorf("got error %v, want %v, to be retried", err, statedir.ErrLocked)
	}
	wantContent(t, path, "a\n")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	publish(t, second, "b")
	wantContent(t, path, "a\nb\n")
}
