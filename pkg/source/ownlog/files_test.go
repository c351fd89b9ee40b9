package ownlog_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

func files(t testing.TB, dir string) *ownlog.Files {
	t.Helper()
	return opened(t, func() (*ownlog.Files, error) { return ownlog.OpenFiles(dir) })
}

func opened(t testing.TB, open func() (*ownlog.Files, error)) *ownlog.Files {
	t.Helper()
	f, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// segments returns the paths of the segments in a directory.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	return found
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "own")
	sharesTheLog(t, func(t testing.TB) ownlog.Store { return files(t, dir) })
}

// Two processes append in turns, and each has its share of the new segments.
func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	open := func() (*ownlog.Files, error) { return ownlog.OpenFilesOn(dir, ownlog.OSDisk, 30, 4) }
	stores := []*ownlog.Files{opened(t, open), opened(t, open)}
	for n := range 20 {
		appendAll(t, stores[n%2], n, 1)
	}
	if got := segments(t, dir); len(got) != 4 {
		t.Errorf("got the segments %v, want four", got)
	}
	for _, store := range stores {
		b, err := store.Bounds(within(t))
		if err != nil || b.Next != 20 || b.First < 8 {
			t.Errorf("got bounds %+v, error %v", b, err)
		}
		p, err := store.Read(within(t), 2, 1)
		if err != nil || !p.Gone || p.Lines[0].Number != b.First || string(p.Lines[0].Text) != string(line(int(b.First))) {
			t.Errorf("got %+v, error %v, want line %d, and that lines before are gone", p, err, b.First)
		}
		var rest []int
		for n := int(b.First); n < 20; n++ {
			rest = append(rest, n)
		}
		wantLines(t, store, b.First, rest...)
	}
}

// A reader notices at once what its own process appends, and after a second what another
// one does.
func TestAReaderNoticesLines(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ours, other := files(t, dir), files(t, dir)
		for n, writer := range []*ownlog.Files{ours, other} {
			began := time.Now()
			read := make(chan struct{})
			go func() {
				defer close(read)
				for range 3 {
					b, err := ours.Bounds(t.Context())
					if err != nil || b.Next > int64(n) {
						break
					}
					if err := ours.Wait(t.Context(), int64(n)); err != nil {
						t.Error(err)
					}
				}
			}()
			synctest.Wait()
			appendAll(t, writer, n, 1)
			<-read
			if took := time.Since(began); took > time.Second || writer == ours && took > 0 {
				t.Errorf("the reader noticed a line of writer %d after %s", n, took)
			}
		}
		if err := ours.Wait(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
}

// What a dead process left behind at the end is cut off.
func TestATornTail(t *testing.T) {
	for words, tail := range map[string]string{
		"a part of a line":    `{"id":"own:1`,
		"zeros":               "\x00\x00\x00\x00",
		"zeros within a line": "{\"id\":\"own\x00\x00\"}\n",
	} {
		t.Run(words, func(t *testing.T) {
			dir := t.TempDir()
			running := files(t, dir)
			appendAll(t, running, 0, 1)
			f, err := os.OpenFile(segments(t, dir)[0], os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString(tail)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			wantLines(t, running, 0, 0)
			wantLines(t, files(t, dir), 0, 0)
			appendAll(t, running, 2, 1)
			wantLines(t, files(t, dir), 0, 0, 2)
		})
	}
}

// A line that was damaged keeps its place, and takes no other with it. It is delivered as
// it is, and marked.
func TestADamagedLine(t *testing.T) {
	for words, damage := range map[string]string{"other bytes": "####", "zeros": "\x00\x00\x00\x00", "a line end": "12\n4"} {
		t.Run(words, func(t *testing.T) {
			dir := t.TempDir()
			f, err := ownlog.OpenFiles(dir)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 5 {
				w := &ownlog.Writer{Store: f}
				e := ownlog.New(ownlog.Heartbeat, ownlog.Party{Type: "process", Name: "sluice"}, "Sluice runs.")
				e.ID = fmt.Sprintf("own:%d", n)
				if err := w.Append(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			path := segments(t, dir)[0]
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(text[strings.Index(string(text), `{"id":"own:2"`):], damage)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range drain(t, ownlog.NewSource(files(t, dir))) {
				if e.Problem == "" {
					got = append(got, e.ID)
				} else if got = append(got, "damaged"); !strings.Contains(string(text), string(e.Raw)) {
					t.Errorf("the damaged line is delivered as %q", e.Raw)
				}
			}
			want := "own:0 own:1 damaged own:3 own:4"
			if words == "a line end" {
				want = "own:0 own:1 damaged damaged own:3 own:4"
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTheNameOfTheLogStays(t *testing.T) {
	dir := t.TempDir()
	name := files(t, dir).Log()
	if again := files(t, dir).Log(); again != name {
		t.Errorf("an empty log was called %s, then %s", name, again)
	}
	if got := segments(t, dir); len(got) != 1 {
		t.Errorf("got the segments %v, want one that is empty", got)
	}
}

func TestFilesArePrivate(t *testing.T) {
	state, owner := t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 65532 // A command that root runs must not lock the daemon out.
		if err := os.Chown(state, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(state, "own")
	appendAll(t, files(t, dir), 0, 1)
	count := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		count++
		info, err := d.Info()
		if err != nil {
			return err
		}
		if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != owner || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s belongs to uid %d with mode %#o, want uid %d alone", path, uid, info.Mode().Perm(), owner)
		}
		return nil
	})
	if err != nil || count != 3 {
		t.Errorf("found %d files, error %v, want the directory, the lock and a segment", count, err)
	}
}

// Whoever removes files of the log while it is open is told so, and no number is used again.
func TestFilesThatSomebodyChanged(t *testing.T) {
	for words, c := range map[string]struct {
		change func(t *testing.T, dir, segment string) error
		want   string
	}{
		"removed":   {func(_ *testing.T, _, segment string) error { return os.Remove(segment) }, "the log was removed"},
		"shortened": {func(_ *testing.T, _, segment string) error { return os.Truncate(segment, 3) }, "the log became shorter"},
		"replaced": {func(t *testing.T, dir, segment string) error {
			if err := os.Remove(segment); err != nil {
				return err
			}
			files(t, dir)
			return nil
		}, "the log was removed"},
		"two logs": {func(_ *testing.T, dir, _ string) error {
			return os.WriteFile(filepath.Join(dir, "0123456789abcdef-00000000000000000000.ndjson"), nil, 0o600)
		}, "files of two logs"},
	} {
		t.Run(words, func(t *testing.T) {
			dir := t.TempDir()
			f := files(t, dir)
			appendAll(t, f, 0, 2)
			if err := c.change(t, dir, segments(t, dir)[0]); err != nil {
				t.Fatal(err)
			}
			_, read := f.Bounds(t.Context())
			for _, err := range []error{read, f.Append(t.Context(), line(3))} {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(failure.Hint(err), dir) || failure.Class(err) != "own_log" {
					t.Errorf("got %v of class %q with hint %q", err, failure.Class(err), failure.Hint(err))
				}
			}
		})
	}
}

func TestProbeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "own")
	if err := ownlog.ProbeFiles(dir); err != nil {
		t.Errorf("of a directory that is missing: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ProbeFiles left something behind: %v", err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	probed := ownlog.ProbeFiles(dir)
	_, opened := ownlog.OpenFiles(dir)
	for _, err := range []error{probed, opened} {
		if err == nil || !strings.Contains(failure.Hint(err), "in place of a file") {
			t.Errorf("of a file: %v with hint %q", err, failure.Hint(err))
		}
	}
}

func TestFilesThatAreClosed(t *testing.T) {
	f, err := ownlog.OpenFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := f.Append(t.Context(), line(1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if err := f.Wait(t.Context(), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
}
