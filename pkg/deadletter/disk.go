package deadletter

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// disk holds the operations that change files. Tests replace it to check their order
// and to make them fail.
type disk interface {
	OpenFile(path string) (diskFile, error) // creates a missing file
	Rename(from, to string) error
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
	// O_NOFOLLOW (open(2)): a link could lead to a foreign file, which would then be
	// truncated and appended to.
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error     { return statedir.Sync(dir) }
