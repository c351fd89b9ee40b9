package deadletter

import (
	"io"
	"os"

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

func (osDisk) OpenFile(path string) (diskFile, error) { return statedir.OpenFile(path) }
func (osDisk) Rename(from, to string) error           { return os.Rename(from, to) }
func (osDisk) Remove(path string) error               { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error               { return statedir.Sync(dir) }
