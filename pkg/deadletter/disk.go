package deadletter

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// disk is how letters reach and leave a file system, so that a test can watch in
// what order they do, and let it fail.
type disk interface {
	OpenFile(path string) (diskFile, error) // created where there is none
	Remove(path string) error
	SyncDir(dir string) error
}

type diskFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
	Sync() error
}

type osDisk struct{}

func (osDisk) OpenFile(path string) (diskFile, error) {
	// A link could lead to a file that is then cut and appended to (open(2),
	// O_NOFOLLOW).
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}
func (osDisk) Remove(path string) error { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error { return statedir.Sync(dir) }
