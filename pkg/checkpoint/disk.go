package checkpoint

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// disk holds the operations of replace. Tests replace it to lose power after each step.
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
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}
	return statedir.Inherit(f)
}
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error     { return statedir.Sync(dir) }

// replace atomically replaces the file at path with data. It syncs the new file before
// the rename: otherwise the name could survive a power loss without the content. It
// syncs the directory after the rename: otherwise the old file could come back.
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
