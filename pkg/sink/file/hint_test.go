package file_test

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
)

// wantHint checks that an error is retryable and carries a hint.
func wantHint(t *testing.T, err error, text, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got error %v, want %q in it", err, text)
	}
	if sink.IsPermanent(err) {
		t.Errorf("got a permanent error, want one that is retried: %v", err)
	}
	if got := failure.Hint(err); got == "" || !strings.Contains(got, hint) {
		t.Errorf("got error %#v, want a hint with %q", err, hint)
	}
}

func TestErrorsOfTheFileSystemAreRetriedWithAHint(t *testing.T) {
	for _, c := range []struct {
		name       string
		path       func(t *testing.T, dir string) string
		text, hint string
	}{
		{"a directory", func(_ *testing.T, dir string) string { return dir },
			"is a directory", "name a file in it, such as"},
		{"in a directory that is missing", func(_ *testing.T, dir string) string { return dir + "/no/audit.ndjson" },
			"no such file", "/no exists, owned by the user that runs sluice"},
		{"in what is no directory", func(t *testing.T, dir string) string {
			write(t, dir+"/plain", "")
			return dir + "/plain/audit.ndjson"
		}, "not a directory", "/plain exists"},
		{"a link to nothing", func(t *testing.T, dir string) string {
			if err := os.Symlink(dir+"/no/where", dir+"/link"); err != nil {
				t.Fatal(err)
			}
			return dir + "/link"
		}, "no such file", "no dangling symbolic link"},
		{"on a full device", func(*testing.T, string) string { return "/dev/full" },
			"no space left on device", "free some space on the file system of /dev/full"},
		{"a pipe that nobody reads", func(t *testing.T, dir string) string { return fifo(t, dir) },
			"no such device", "no program reads from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.path(t, t.TempDir())
			wantHint(t, open(t, file.Type, at(path)).Publish(t.Context(), batch("a")), c.text, c.hint)
		})
	}
}

// TestErrorsOfTheDiskAreRetriedWithAHint uses a disk that returns errors which tests
// cannot provoke, for example when they run as root.
func TestErrorsOfTheDiskAreRetriedWithAHint(t *testing.T) {
	for _, c := range []struct {
		err  error
		hint string
	}{
		{syscall.ENOSPC, "free some space"},
		{syscall.EDQUOT, "the quota of uid"},
		{syscall.EFBIG, "set max_bytes below it"},
		{syscall.EROFS, "read-only file system"},
		{syscall.EACCES, "which runs sluice, owns "},
		{syscall.EPERM, "which runs sluice, owns "},
		{syscall.EIO, "the disk of "},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			typ := file.On(file.Disk{Write: func(*os.File, []byte) (int, error) { return 0, c.err }})
			path := filepath.Join(t.TempDir(), "audit.ndjson")
			err := open(t, typ, at(path)).Publish(t.Context(), batch("a"))
			wantHint(t, err, "appending to "+path+": ", c.hint)
		})
	}
}

// A file system that cannot lock or sync is refused: the guarantee needs both.
func TestAFileSystemWithoutLocksOrSyncIsRefused(t *testing.T) {
	failing := func(op string, errno syscall.Errno) error {
		return &fs.PathError{Op: op, Path: "audit.ndjson", Err: errno}
	}
	for _, c := range []struct {
		name string
		disk file.Disk
		hint string
	}{
		{"ENOLCK of flock", file.Disk{Lock: func(*os.File) error { return failing("lock", syscall.ENOLCK) }}, "has no locks"},
		{"ENOTSUP of flock", file.Disk{Lock: func(*os.File) error { return failing("lock", syscall.ENOTSUP) }}, "has no locks"},
		{"EINVAL of fsync", file.Disk{Sync: func(*os.File) error { return failing("sync", syscall.EINVAL) }}, "cannot sync"},
		{"EINVAL of fsync of the directory", file.Disk{SyncDir: func(string) error { return failing("sync", syscall.EINVAL) }}, "cannot sync"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := open(t, file.On(c.disk), at(filepath.Join(t.TempDir(), "audit.ndjson"))).Publish(t.Context(), batch("a"))
			wantHint(t, err, "audit.ndjson", c.hint)
			if got := failure.Class(err); got != "destination" {
				t.Errorf("got class %q, want destination", got)
			}
		})
	}
}

// The mode of a file is no part of the guarantee, so a file system that keeps none is used.
func TestAFileSystemWithoutModesIsUsedWithAWarning(t *testing.T) {
	for name, answer := range map[string]error{
		"EPERM, as FAT and CIFS answer": syscall.EPERM,
		"ENOTSUP":                       syscall.ENOTSUP,
		"no error, as exFAT answers":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			path := filepath.Join(t.TempDir(), "audit.ndjson")
			typ := file.On(file.Disk{Chmod: func(f *os.File, _ os.FileMode) error { return cmp.Or(f.Chmod(0o755), answer) }})
			publish(t, openUnclosed(t, typ, zerolog.New(&log), func(s *file.Settings) { s.Path, s.Mode = path, 0o640 }), "a")
			wantContent(t, path, "a\n")
			if !strings.Contains(log.String(), "does not keep the mode of the file") || !strings.Contains(log.String(), `"mode":"0755","wanted":"0640"`) {
				t.Errorf("got the log %s, want a warning with the mode", &log)
			}
		})
	}
	t.Run("another error is not passed over", func(t *testing.T) {
		typ := file.On(file.Disk{Chmod: func(*os.File, os.FileMode) error { return syscall.EIO }})
		err := open(t, typ, at(filepath.Join(t.TempDir(), "audit.ndjson"))).Publish(t.Context(), batch("a"))
		wantHint(t, err, "input/output error", "the disk of ")
	})
}

func TestCheckTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there.ndjson")
	write(t, there, "a\ntorn")
	for _, c := range []struct{ path, want string }{
		{there, there + ": 6 bytes; records will be appended"},
		{dir + "/new.ndjson", dir + "/new.ndjson: will be created"},
		{"/dev/null", "/dev/null: a pipe or device; whatever reads it must store the records"},
		{fifo(t, dir), dir + "/pipe: a pipe or device; whatever reads it must store the records"},
	} {
		got, err := open(t, file.Type, at(c.path)).(sink.Checker).Check(t.Context())
		if err != nil || got != c.want {
			t.Errorf("got %q, error %v, want %q", got, err, c.want)
		}
	}
	wantContent(t, there, "a\ntorn")
	if _, err := os.Stat(dir + "/new.ndjson"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want the file not to be created", err)
	}
}

func TestCheckReturnsTheReason(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ path, text, hint string }{
		{dir, "is a directory", "name a file in it"},
		{dir + "/no/audit.ndjson", "no such file", "/no exists"},
	} {
		_, err := open(t, file.Type, at(c.path)).(sink.Checker).Check(t.Context())
		wantHint(t, err, c.text, c.hint)
	}
}

// TestARelativePath checks that a person learns where a relative path leads.
func TestARelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	got, err := open(t, file.Type, at("new.ndjson")).(sink.Checker).Check(t.Context())
	if want := "path new.ndjson leads to " + dir + "/new.ndjson: will be created"; err != nil || got != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
	const relative = "; path out/audit.ndjson is relative, and starts in the working directory, "
	snk := open(t, file.Type, at("out/audit.ndjson"))
	_, err = snk.(sink.Checker).Check(t.Context())
	wantHint(t, err, "out: no such file", dir+"/out exists")
	wantHint(t, err, "no such file", relative+dir)
	wantHint(t, snk.Publish(t.Context(), batch("a")), "no such file", relative+dir)
}

// TestCheckWarnsAsPublishDoes: what a start logs, a check must log.
func TestCheckWarnsAsPublishDoes(t *testing.T) {
	var checked, published bytes.Buffer
	if _, err := openUnclosed(t, file.Type, zerolog.New(&checked), at("/dev/null")).(sink.Checker).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, openUnclosed(t, file.Type, zerolog.New(&published), at("/dev/null")), "a")
	if checked.String() != published.String() || !strings.Contains(checked.String(), "the null device: records are discarded") {
		t.Errorf("Check logged %q, Publish %q", &checked, &published)
	}
}
