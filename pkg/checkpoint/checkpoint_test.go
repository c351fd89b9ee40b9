package checkpoint_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/source"
)

const lane = "acme/siem"

func open(t testing.TB, dir string) *checkpoint.Dir {
	t.Helper()
	d, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func save(t testing.TB, d *checkpoint.Dir, lane, pos string) {
	t.Helper()
	if err := d.Save(t.Context(), lane, source.Position(pos)); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, d *checkpoint.Dir, lane string) string {
	t.Helper()
	pos, err := d.Load(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	return string(pos)
}

func hint(err error) string {
	return failure.Hint(err)
}

func TestSaveAndLoad(t *testing.T) {
	t.Run("a lane without a checkpoint has no position", func(t *testing.T) {
		pos, err := open(t, t.TempDir()).Load(t.Context(), lane)
		if pos != nil || err != nil {
			t.Errorf("got %s, %v, want nil, nil", pos, err)
		}
	})
	t.Run("lanes keep apart, also after a restart", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		d := open(t, dir)
		for _, name := range []string{lane, "a.b/c", "a/b.c"} {
			save(t, d, name, `"old"`)
			save(t, d, name, fmt.Sprintf("{\"of\":%q}", name))
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = open(t, dir)
		for _, name := range []string{lane, "a.b/c", "a/b.c"} {
			if got, want := load(t, d, name), fmt.Sprintf("{\"of\":%q}", name); got != want {
				t.Errorf("lane %s: got %s, want %s", name, got, want)
			}
		}
	})
	t.Run("a position is put on one line and otherwise unchanged", func(t *testing.T) {
		d := open(t, t.TempDir())
		save(t, d, lane, "{ \"n\": 9007199254740993.0,\n\t\"s\": \"<\\u003c\u2028 \xff\" }\r\n")
		if got, want := load(t, d, lane), "{\"n\":9007199254740993.0,\"s\":\"<\\u003c\u2028 \xff\"}"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a position with a log is saved, and a byte more than it may have is refused", func(t *testing.T) {
		d := open(t, t.TempDir())
		largest := `"` + strings.Repeat("x", 768<<10-2) + `"`
		save(t, d, lane, largest)
		if got := load(t, d, lane); got != largest {
			t.Errorf("got %d bytes, want %d", len(got), len(largest))
		}
		if err := d.Save(t.Context(), lane, source.Position(largest+" ")); err == nil || !strings.Contains(err.Error(), "can be saved") {
			t.Errorf("got %v for a position that is too long, want how long it may be", err)
		}
	})
	t.Run("a position that is not JSON is refused and the old one stays", func(t *testing.T) {
		d := open(t, t.TempDir())
		save(t, d, lane, `1`)
		for _, bad := range []string{"", " ", "{", "1 2", `{"a":}`} {
			if err := d.Save(t.Context(), lane, source.Position(bad)); err == nil || !strings.Contains(err.Error(), "position is not JSON") {
				t.Errorf("position %q: got %v, want that it is not JSON", bad, err)
			}
		}
		if got, want := load(t, d, lane), "1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("nothing is saved once the directory is closed or the context ended", func(t *testing.T) {
		d := open(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Save(ctx, lane, source.Position(`1`)); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
		if _, err := d.Load(ctx, lane); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Save(t.Context(), lane, source.Position(`1`)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got error %v, want fs.ErrClosed", err)
		}
	})
	t.Run("only their owner can read files", func(t *testing.T) {
		dir := t.TempDir()
		save(t, open(t, dir), lane, `1`)
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			if got, want := info.Mode().Perm(), fs.FileMode(0o600); got != want {
				t.Errorf("%s: got mode %o, want %o", f.Name(), got, want)
			}
		}
	})
}

func TestFileFormat(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(1234567890 * time.Nanosecond)
		save(t, open(t, dir), lane, `{"floor": "2026-03-01T11:49:58Z", "ids": ["a", "b"]}`)
	})
	got, err := os.ReadFile(filepath.Join(dir, "acme+siem.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "checkpoint.golden", string(got))
	if err := checkDocumentedSum(got); err != nil {
		t.Error(err)
	}
}

// checkDocumentedSum checks a file's sha256 as the package doc describes it, without the
// code that writes it.
func checkDocumentedSum(data []byte) error {
	lines := bytes.SplitAfterN(data, []byte("\n"), 6)
	if len(lines) != 6 {
		return fmt.Errorf("file has %d lines, want at least 6", len(lines))
	}
	var f struct{ SHA256 string }
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	sum := sha256.Sum256(bytes.Join(lines[:5], nil))
	if got, want := f.SHA256, hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("sha256: got %s, want %s", got, want)
	}
	return nil
}

// written returns the content of a checkpoint that Save wrote.
func written(t testing.TB, lane, pos string) []byte {
	t.Helper()
	dir := t.TempDir()
	save(t, open(t, dir), lane, pos)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got files %v, error %v, want one file", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantPassing requires an error that may pass: the same file may be loaded later.
func wantPassing(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, source.ErrUnusable) || strings.Contains(hint(err), "checkpoint set") {
		t.Errorf("error %v with hint %q gives the position up, which may be whole", err, hint(err))
	}
}

func TestFilesThatCannotBeReadNow(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	save(t, d, lane, `{"floor":3}`)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0 // what is open stays open
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	pos, err := d.Load(t.Context(), lane)
	if again := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); again != nil {
		t.Fatal(again)
	}
	if pos != nil || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %s, error %v, want %v", pos, err, syscall.EMFILE)
	}
	wantPassing(t, err)
	if got, want := load(t, d, lane), `{"floor":3}`; got != want {
		t.Errorf("got %s afterwards, want %s", got, want)
	}
}

func TestUnusableFiles(t *testing.T) {
	good := written(t, lane, `{"floor":1}`)
	replaced := func(old, new string) []byte {
		changed := bytes.Replace(good, []byte(old), []byte(new), 1)
		if bytes.Equal(changed, good) {
			t.Fatalf("%q is not in the file", old)
		}
		return changed
	}
	for name, c := range map[string]struct {
		content []byte
		want    error
		hint    string
	}{
		"empty":                 {nil, checkpoint.ErrCorrupt, "sluice checkpoint set -c FILE --to beginning|now|TIME acme/siem"},
		"cut in the middle":     {good[:len(good)/2], checkpoint.ErrCorrupt, "restore"},
		"all zeros":             {make([]byte, len(good)), checkpoint.ErrCorrupt, "restore"},
		"edited position":       {replaced(`"floor":1`, `"floor":2`), checkpoint.ErrCorrupt, "restore"},
		"edited time":           {replaced(`"saved": "2`, `"saved": "3`), checkpoint.ErrCorrupt, "restore"},
		"edited lane":           {replaced("siem", "splunk"), checkpoint.ErrCorrupt, "restore"},
		"an additional key":     {replaced(`  "lane"`, "  \"x\": 1,\n  \"lane\""), checkpoint.ErrCorrupt, "restore"},
		"a second position":     {replaced("\n}\n", ",\n  \"position\": 2\n}\n"), checkpoint.ErrCorrupt, "restore"},
		"no position":           {[]byte(`{"version": 1}`), checkpoint.ErrCorrupt, "restore"},
		"text behind it":        {append(bytes.Clone(good), "{}"...), checkpoint.ErrCorrupt, "restore"},
		"larger than any":       {bytes.Repeat([]byte(" "), 1<<20), checkpoint.ErrCorrupt, "restore"},
		"a later version":       {replaced(`"version": 1`, `"version": 2`), checkpoint.ErrVersion, "run the version of sluice that wrote it"},
		"another lane's file":   {written(t, "acme/splunk", `1`), checkpoint.ErrForeign, "restore"},
		"something else's":      {[]byte(`{"cursor":"abc"}`), checkpoint.ErrVersion, "restore"},
		"a JSON array":          {[]byte(`[]`), checkpoint.ErrCorrupt, "restore"},
		"reformatted by a tool": {replaced(`  "lane"`, `    "lane"`), checkpoint.ErrCorrupt, "restore"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "acme+siem.json")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			d := open(t, dir)
			pos, err := d.Load(t.Context(), lane)
			if pos != nil || !errors.Is(err, c.want) {
				t.Fatalf("got %s, error %v, want error %v", pos, err, c.want)
			}
			if !errors.Is(err, source.ErrUnusable) {
				t.Errorf("error %v is not of a position that is unusable", err)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("error %q does not name %s", err, path)
			}
			if !strings.Contains(hint(err), c.hint) {
				t.Errorf("got hint %q, want %q in it", hint(err), c.hint)
			}
			save(t, d, lane, `{"floor":3}`)
			if got, want := load(t, d, lane), `{"floor":3}`; got != want {
				t.Errorf("after it was set: got %s, want %s", got, want)
			}
		})
	}
	t.Run("a directory in its place", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "acme+siem.json"), 0o700); err != nil {
			t.Fatal(err)
		}
		pos, err := open(t, dir).Load(t.Context(), lane)
		if pos != nil || !errors.Is(err, syscall.EISDIR) || hint(err) == "" {
			t.Errorf("got %s, error %v with hint %q, want %v with a hint", pos, err, hint(err), syscall.EISDIR)
		}
		wantPassing(t, err)
	})
	t.Run("no prefix and no flipped bit is accepted", func(t *testing.T) {
		dir := t.TempDir()
		d := open(t, dir)
		check := func(what string, data []byte) {
			if err := os.WriteFile(filepath.Join(dir, "acme+siem.json"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			if pos, err := d.Load(t.Context(), lane); err == nil {
				t.Errorf("%s: got %s, want an error", what, pos)
			}
		}
		for i := range good {
			check(fmt.Sprintf("first %d bytes", i), good[:i])
			for bit := range 8 {
				flipped := bytes.Clone(good)
				flipped[i] ^= 1 << bit
				check(fmt.Sprintf("bit %d of byte %d", bit, i), flipped)
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add(written(f, lane, `{"floor":"2026-03-01T11:49:58Z","ids":["a"]}`))
	f.Add(written(f, lane, `null`))
	f.Add([]byte(`{"version":1,"lane":"acme/siem","saved":"2026-03-01T11:49:58Z","position":1}`))
	dir := f.TempDir()
	d := open(f, dir)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, "acme+siem.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		pos, err := d.Load(t.Context(), lane)
		if err != nil {
			return
		}
		if !json.Valid(pos) {
			t.Errorf("got position %q, which is not JSON", pos)
		}
		if err := checkDocumentedSum(data); err != nil {
			t.Errorf("a file was taken for good: %v", err)
		}
	})
}

func TestList(t *testing.T) {
	t.Run("distinguishes usable and unusable files, and takes no lock", func(t *testing.T) {
		dir := t.TempDir()
		d := open(t, dir)
		save(t, d, "acme/siem", `1`)
		save(t, d, "a.b/c", `2`)
		for name, content := range map[string]string{
			"bad+lane.json": "{", "Notes.json": "{}", "notes.txt": "", "x+y.json.17.tmp": "",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		list, err := checkpoint.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range list {
			if age := time.Since(c.Saved); c.Err == nil && (age < 0 || age > time.Minute) {
				t.Errorf("lane %s: got saved %v, want a moment ago", c.Lane, c.Saved)
			}
			got = append(got, fmt.Sprintf("%s %s %s %v", c.Lane, filepath.Base(c.Path), c.Position, errors.Is(c.Err, checkpoint.ErrCorrupt)))
		}
		want := []string{"a.b/c a.b+c.json 2 false", "acme/siem acme+siem.json 1 false", "bad/lane bad+lane.json  true"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("list (-want +got):\n%s", diff)
		}
	})
	t.Run("a missing directory is an error", func(t *testing.T) {
		if _, err := checkpoint.List(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got error %v, want fs.ErrNotExist", err)
		}
	})
	t.Run("sees whole files while lanes save", func(t *testing.T) {
		dir := t.TempDir()
		d := open(t, dir)
		save(t, d, "a/a", `0`)
		save(t, d, "b/b", `0`)
		var lanes sync.WaitGroup
		for _, name := range []string{"a/a", "b/b"} {
			lanes.Go(func() {
				for i := range 50 {
					if err := d.Save(t.Context(), name, source.Position(fmt.Sprint(i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 200 {
			list, err := checkpoint.List(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 2 || list[0].Err != nil || list[1].Err != nil {
				t.Fatalf("got %+v, want two usable checkpoints", list)
			}
		}
		lanes.Wait()
	})
}

// A command that root runs must not lock the daemon out of its own positions.
func TestWhatRootSavesBelongsToTheOwnerOfTheDirectory(t *testing.T) {
	dir, owner := t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 65532
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	d, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Save(t.Context(), lane, source.Position(`1`)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("got %d files, error %v, want a position and a lock", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != owner {
			t.Errorf("%s belongs to uid %d, want %d", f.Name(), got, owner)
		}
	}
}
