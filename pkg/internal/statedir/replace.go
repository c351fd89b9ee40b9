package statedir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Disk holds the operations of Replace. Tests replace it to lose power after each step.
type Disk interface {
	Create(path string) (DiskFile, error) // a new file beside path
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

// DiskFile is a file of a Disk.
type DiskFile interface {
	io.WriteCloser
	Sync() error
	Name() string
}

// OSDisk is the file system. A file that root creates has the owner of its directory.
type OSDisk struct{}

func (OSDisk) Create(path string) (DiskFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}
	temporary := f.Name()
	if f, err = Inherit(f); err != nil {
		return nil, errors.Join(err, os.Remove(temporary))
	}
	return f, nil
}

func (OSDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (OSDisk) Remove(path string) error     { return os.Remove(path) }
func (OSDisk) SyncDir(dir string) error     { return Sync(dir) }

// Replace atomically replaces the file at path with data. It syncs the new file before
// the rename: otherwise the name could survive a power loss without the content. It
// syncs the directory after the rename: otherwise the old file could come back. A process
// that dies in between leaves a file path.NUMBER.tmp.
func Replace(disk Disk, path string, data []byte) error {
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
