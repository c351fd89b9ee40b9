package statedir_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "acme+siem.json")
	op := func(name string, err error) error { return &fs.PathError{Op: name, Path: file, Err: err} }
	uid := fmt.Sprintf("uid %d", os.Geteuid())
	for _, c := range []struct {
		err   error
		hint  string
		stays bool
	}{
		{op("lock", syscall.ENOLCK), "has no locks, which keep two processes from overwriting each other's files: use a local disk", true},
		{op("lock", syscall.ENOTSUP), "has no locks", true},
		{op("lock", syscall.ENOSYS), "has no locks", true},
		{op("sync", syscall.EINVAL), "cannot sync, so a loss of power could undo", true},
		{op("sync", syscall.ENOTSUP), "cannot sync", true},
		{op("lock", statedir.ErrLost), "no clean-up removes files there", true},
		{op("open", syscall.EROFS), "is on a read-only file system: mount a writable volume", true},
		{op("sync", syscall.EROFS), "is on a read-only file system", true},
		{op("open", syscall.EACCES), uid + ", which runs sluice, owns " + dir + " with mode 0755", true},
		{op("remove", syscall.EPERM), uid + ", which runs sluice, owns " + dir + " with mode 0755", true},
		{&os.LinkError{Op: "rename", Old: file + ".1.tmp", New: file, Err: syscall.EACCES}, "owns " + dir, true},
		{op("open", syscall.ELOOP), "remove the symbolic link", true},
		{op("open", syscall.EISDIR), "move " + file + " away: sluice keeps a file of that name", true},
		{op("open", syscall.ENOTDIR), "name a directory in place of a file", true},
		{op("open", syscall.ENAMETOOLONG), "shorten the path, or the names of source and sink", true},
		{op("write", syscall.ENOSPC), "bytes (df) or files (df -i)", false},
		{op("sync", syscall.ENOSPC), "free some space", false},
		{op("write", syscall.EDQUOT), "the quota of " + uid + " is used up", false},
		{op("sync", syscall.EIO), "see the kernel's log", false},
		{op("open", syscall.ESTALE), "mount the file system again", false},
		{op("open", syscall.EINVAL), "", false},
		{errors.New("another"), "", false},
	} {
		got := statedir.Explain(errors.Join(errors.New("first"), c.err), file)
		if got.Stays != c.stays || c.hint == "" && got.Hint != "" || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%v: got %+v, want a hint with %q that stays: %v", c.err, got, c.hint, c.stays)
		}
	}
}

// TestExplainNamesTheOwner needs a directory of another user. Of a process that is not root,
// /  is one; root gives a directory away.
func TestExplainNamesTheOwner(t *testing.T) {
	dir, owner := "/", 0
	if os.Geteuid() == 0 {
		dir, owner = t.TempDir(), 65532
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	belongs := fmt.Sprintf("uid %d runs sluice, and %s belongs to uid %d, gid %d with mode 0", os.Geteuid(), dir, owner, owner)
	below := filepath.Join(dir, "state")
	for _, c := range []struct {
		path, hint string
		err        error
	}{
		{dir, fmt.Sprintf(": make uid %d its owner (chown %[1]d %s)", os.Geteuid(), dir), &fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}},
		{below, fmt.Sprintf(": create a directory for sluice, make uid %d its owner", os.Geteuid()), &fs.PathError{Op: "mkdir", Path: below, Err: syscall.EACCES}},
		{below, ": create a directory for sluice", &fs.PathError{Op: "access", Path: filepath.Join(below, "deep"), Err: syscall.EACCES}},
	} {
		if got := statedir.Explain(c.err, c.path).Hint; !strings.HasPrefix(got, belongs) || !strings.Contains(got, c.hint) {
			t.Errorf("%v: got %q, want %q and %q", c.err, got, belongs, c.hint)
		}
	}
}

// A check finds a directory that cannot be synced, as a start would. procfs has none that
// another user than root may write to.
func TestProbeSyncs(t *testing.T) {
	want := syscall.EINVAL
	if os.Geteuid() != 0 {
		want = syscall.EACCES
	}
	if _, _, err := statedir.Probe("/proc"); !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}
