package checkpoint_test

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-siem/sluice/pkg/checkpoint"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

// unsynced is a disk that cannot sync a directory.
type unsynced struct {
	checkpoint.Disk
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
		d, err := checkpoint.OpenOn(t.TempDir(), unsynced{checkpoint.OSDisk, errno})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		err = d.Save(t.Context(), "acme/siem", source.Position(`{}`))
		if got := failure.Hint(err); err == nil || !strings.Contains(got, hint) {
			t.Errorf("%v: got %v with the hint %q, want %q", errno, err, got, hint)
		}
	}
}
