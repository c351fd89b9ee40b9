package deadletter_test

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/failure"
)

// unsynced is a disk that cannot sync a directory.
type unsynced struct {
	deadletter.Disk
	err error
}

func (u unsynced) SyncDir(dir string) error { return &fs.PathError{Op: "sync", Path: dir, Err: u.err} }

func TestErrorsOfTheFileSystemHaveAHint(t *testing.T) {
	for errno, hint := range map[syscall.Errno]string{
		syscall.EINVAL: "cannot sync",
		syscall.EDQUOT: "the quota of uid",
		syscall.ENOSPC: "free some space",
		syscall.EROFS:  "read-only file system",
		syscall.EACCES: "which runs sluice, owns",
		syscall.EIO:    "the disk of",
	} {
		s, err := deadletter.OpenOn(t.TempDir(), 1<<20, unsynced{deadletter.OSDisk, errno})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Put(t.Context(), "acme/siem", rejects("a"))
		if got := failure.Hint(err); err == nil || !strings.Contains(got, hint) {
			t.Errorf("%v: got %v with the hint %q, want %q", errno, err, got, hint)
		}
	}
}
