package checkpoint

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// disk is what replace asks of a file system, so that a test can let the power
// fail after each step.
type disk interface {
	Create(path string) (diskFile, error) // a new file beside path
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

type diskFile interface {
	io.WriteCloser
	Sync() error
	Name() string
}

type osDisk struct{}

func (osDisk) Create(path string) (diskFile, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
}
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error     { return statedir.Sync(dir) }

// replace makes data the content of the file at path, in one step for whoever
// reads it. The content is synced before the rename: otherwise the new name
// could survive a power loss without it. The directory is synced after: otherwise
// the old file could come back.
func replace(disk disk, path string, data []byte) error {
	f, err := disk.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = disk.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, disk.Remove(f.Name()))
	}
	return disk.SyncDir(filepath.Dir(path))
}
