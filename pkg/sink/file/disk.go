package file

import (
	"os"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// disk holds the operations that can fail in the middle of a batch or race with
// another process. Tests replace them.
type disk struct {
	write    func(f *os.File, text []byte) (int, error)
	sync     func(f *os.File) error
	syncDir  func(dir string) error
	truncate func(f *os.File, size int64) error
	lock     func(f *os.File) error
	chmod    func(f *os.File, mode os.FileMode) error
}

var osDisk = disk{
	write:    (*os.File).Write,
	sync:     (*os.File).Sync,
	syncDir:  statedir.Sync,
	truncate: (*os.File).Truncate,
	lock:     statedir.TryLockFile,
	chmod:    (*os.File).Chmod,
}
