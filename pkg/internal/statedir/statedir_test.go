package statedir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

func TestOpenMakesAPrivateDirectoryAndItsParents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := statedir.Open(dir); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if got, want := mode(t, d), os.FileMode(0o700); got != want {
			t.Errorf("mode of %s: got %o, want %o", d, got, want)
		}
	}
}

func TestProbeFindsAFullDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		disk unix.Statfs_t
		err  error // of statfs
		full bool
	}{
		{"space", unix.Statfs_t{Blocks: 9, Bfree: 5, Bavail: 4, Files: 9, Ffree: 1}, nil, false},
		{"no block", unix.Statfs_t{Blocks: 9, Files: 9, Ffree: 1}, nil, true},
		{"reserved blocks", unix.Statfs_t{Blocks: 9, Bfree: 5, Files: 9, Ffree: 1}, nil, os.Geteuid() != 0},
		{"no file", unix.Statfs_t{Blocks: 9, Bfree: 5, Bavail: 4, Files: 9}, nil, true},
		{"files are not counted", unix.Statfs_t{Blocks: 9, Bfree: 5, Bavail: 4}, nil, false},
		{"blocks are not counted", unix.Statfs_t{}, nil, false},
		{"unknown", unix.Statfs_t{}, unix.ENOSYS, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range []string{dir, filepath.Join(dir, "a", "b")} {
				var asked string
				_, _, err := statedir.ProbeWhere(func(path string, s *unix.Statfs_t) error {
					asked, *s = path, c.disk
					return c.err
				}, d)
				if errors.Is(err, unix.ENOSPC) != c.full || err != nil && !c.full {
					t.Errorf("%s: got error %v, want that the disk is full: %t", d, err, c.full)
				}
				if hint := statedir.Explain(err, d).Hint; c.full && !strings.HasPrefix(hint, "free some space on the file system of ") {
					t.Errorf("got hint %q", hint)
				}
				if asked != dir {
					t.Errorf("asked about %q, want %q", asked, dir)
				}
			}
		})
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// TestProbe holds that Probe finds what Open does, and leaves everything as it was.
func TestProbe(t *testing.T) {
	for name, want := range map[string]struct {
		missing       bool
		warning, text string // in the warning, in the error
	}{
		"private":           {},
		"link":              {},
		"loose":             {warning: "has mode 0750, so others than its owner can enter it; chmod 0700 "},
		"new":               {missing: true},
		"new/below/it":      {missing: true},
		"file":              {text: "is not a directory"},
		"file/below":        {text: "not a directory"},
		"dangling":          {missing: true, text: "leads nowhere"},
		"dangling/below":    {missing: true, text: "leads nowhere"},
		longName + "/below": {text: "file name too long"},
	} {
		t.Run(name[:min(20, len(name))], func(t *testing.T) {
			dir := t.TempDir()
			makeAll(t, dir)
			path := filepath.Join(dir, name)
			missing, warning, err := statedir.Probe(path)
			if missing != want.missing || !strings.Contains(warning, want.warning) || (warning == "") != (want.warning == "") {
				t.Errorf("got missing %t, warning %q", missing, warning)
			}
			if (err == nil) != (want.text == "") || err != nil && !strings.Contains(err.Error(), want.text) {
				t.Errorf("got error %v, want %q", err, want.text)
			}
			if again, _, _ := statedir.Probe(path); again != missing {
				t.Error("Probe made something")
			}
			opened := statedir.Open(path)
			if opened == nil {
				_, opened = os.ReadDir(path)
			}
			if (opened == nil) != (err == nil) {
				t.Errorf("Probe: %v, Open: %v", err, opened)
			}
		})
	}
	dir := t.TempDir()
	makeAll(t, dir)
	if _, _, err := statedir.Probe(filepath.Join(dir, "locked")); (err == nil) != (os.Geteuid() == 0) {
		t.Errorf("a directory that only root can write to: got error %v", err)
	}
}

func makeAll(t *testing.T, dir string) {
	t.Helper()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), nil, 0o600), os.Symlink("nowhere", filepath.Join(dir, "dangling")),
		os.Mkdir(filepath.Join(dir, "private"), 0o700), os.Mkdir(filepath.Join(dir, "loose"), 0o750), os.Chmod(filepath.Join(dir, "loose"), 0o750),
		os.Mkdir(filepath.Join(dir, "locked"), 0o500), os.Symlink("private", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

var longName = strings.Repeat("x", 300)

func TestFileName(t *testing.T) {
	for lane, want := range map[string]string{
		"acme/siem":     "acme+siem",
		"a.b/c":         "a.b+c",
		"a/b.c":         "a+b.c",
		"a-b_c/0":       "a-b_c+0",
		"../etc":        "%2E.+etc",
		"A/%+":          "%41+%25%2B",
		"acme/x\x00\n":  "acme+x%00%0A",
		"":              "",
		"\u00e9/\u202e": "%C3%A9+%E2%80%AE",
	} {
		if got := statedir.FileName(lane); got != want {
			t.Errorf("FileName(%q): got %q, want %q", lane, got, want)
		}
	}
	t.Run("lanes have different files, and LaneName finds each again", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			lane := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-c.+%/A-C]{0,6}`)).Draw(t, "lane")
			name := statedir.FileName(lane)
			if strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
				t.Fatalf("FileName(%q) = %q leaves the directory or hides in it", lane, name)
			}
			if got, ok := statedir.LaneName(name); !ok || got != lane {
				t.Fatalf("LaneName(%q): got %q, %v, want %q", name, got, ok, lane)
			}
		})
	})
	t.Run("a name that no lane has is refused", func(t *testing.T) {
		for _, name := range []string{"Acme", "a%2", "a%zz", "%61", ".hidden"} {
			if lane, ok := statedir.LaneName(name); ok {
				t.Errorf("LaneName(%q): got %q, want none", name, lane)
			}
		}
	})
}

func TestLock(t *testing.T) {
	t.Run("is refused while it is held, and free once its file is closed", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		first, err := statedir.TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := statedir.TryLock(path); !errors.Is(err, statedir.ErrLocked) {
			t.Errorf("second lock: got error %v, want ErrLocked", err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second, err := statedir.TryLock(path)
		if err != nil {
			t.Fatalf("after the first was closed: %v", err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("can be asked about, and is as before", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		for range 2 {
			first, err := statedir.TryLock(path)
			if err != nil {
				t.Fatal(err)
			}
			if held, err := statedir.Locked(path); !held || err != nil {
				t.Errorf("while it is held: got %t, %v", held, err)
			}
			if err := errors.Join(statedir.Held(first), first.Close()); err != nil {
				t.Fatal(err)
			}
			if held, err := statedir.Locked(path); held || err != nil {
				t.Errorf("once it is closed: got %t, %v", held, err)
			}
		}
	})
	t.Run("is lost once its file is removed or replaced", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		first, err := statedir.TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		if err := statedir.Held(first); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := statedir.Held(first); !errors.Is(err, statedir.ErrLost) {
			t.Errorf("removed: got error %v, want ErrLost", err)
		}
		second, err := statedir.TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		if err := statedir.Held(first); !errors.Is(err, statedir.ErrLost) {
			t.Errorf("replaced: got error %v, want ErrLost", err)
		}
	})
	t.Run("a symbolic link is refused and its target untouched", func(t *testing.T) {
		dir := t.TempDir()
		target, path := filepath.Join(dir, "target"), filepath.Join(dir, "lock")
		if err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, path)); err != nil {
			t.Fatal(err)
		}
		if _, err := statedir.TryLock(path); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("got error %v, want ELOOP", err)
		}
	})
	t.Run("is a regular file, as ProbeLock says without a lock", func(t *testing.T) {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		err := errors.Join(os.WriteFile(at("file"), nil, 0o600), os.Mkdir(at("dir"), 0o700), os.Symlink("file", at("link")), unix.Mkfifo(at("pipe"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"file": "", "none": "", "dir": "is a directory", "link": "too many levels", "pipe": "is a pipe"} {
			if err := statedir.ProbeLock(at(name)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", name, err, want)
			}
		}
	})
	t.Run("is waited for", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		synctest.Test(t, func(t *testing.T) {
			first, err := statedir.TryLock(path)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(3*time.Second, func() { first.Close() })
			second, err := statedir.Lock(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("returns an error after ten seconds, or when the context ends", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		synctest.Test(t, func(t *testing.T) {
			first, err := statedir.TryLock(path)
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			begin := time.Now()
			_, err = statedir.Lock(t.Context(), path)
			if got, want := time.Since(begin), 10*time.Second; !errors.Is(err, statedir.ErrLocked) || got != want {
				t.Errorf("got error %v after %v, want ErrLocked after %v", err, got, want)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := statedir.Lock(ctx, path); !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want context.Canceled", err)
			}
		})
	})
}

// TestSyncReachesTheKernel uses a directory whose file system cannot sync: the error
// proves that fsync was called (fsync(2), EINVAL).
func TestSyncReachesTheKernel(t *testing.T) {
	if err := statedir.Sync("/proc"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got error %v, want EINVAL", err)
	}
}

// TestAForecastIsAGuessWithoutFaccessat2 has a file that nobody may execute, not even root. A
// kernel before 5.8 answers ENOSYS, and a seccomp filter EPERM.
func TestAForecastIsAGuessWithoutFaccessat2(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for answer, guess := range map[syscall.Errno]bool{unix.ENOSYS: true, unix.EPERM: true, unix.EACCES: false, unix.EROFS: false} {
		err := statedir.AccessWhere(func(int, string, uint32, int) error { return answer }, path, unix.X_OK)
		if f, ok := errors.AsType[*statedir.Forecast](err); !ok || f.Guess != guess {
			t.Errorf("faccessat2 answers %v: got %v, want a forecast, guess %t", answer, err, guess)
		}
	}
	missing := statedir.AccessWhere(func(int, string, uint32, int) error { return unix.ENOSYS }, path+"x", unix.R_OK)
	if f, ok := errors.AsType[*statedir.Forecast](missing); !ok || f.Guess || !errors.Is(missing, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist, which is no guess", missing)
	}
}
