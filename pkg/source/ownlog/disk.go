package ownlog

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// disk holds the operations on the directory of the log. Tests replace it to lose power
// after each of them.
type disk interface {
	Lock(ctx context.Context, path string) (io.Closer, error)
	List(dir string) ([]string, error)    // names of files, sorted
	Create(path string) (diskFile, error) // a file that must not be there
	Open(path string) (diskFile, error)   // for reading and writing
	Remove(path string) error
	SyncDir(dir string) error
}

type diskFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

type osDisk struct{}

func (osDisk) Lock(ctx context.Context, path string) (io.Closer, error) {
	return statedir.Lock(ctx, path)
}

func (osDisk) List(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	return names, err
}

func (osDisk) Create(path string) (diskFile, error) {
	f, err := statedir.CreateFile(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDisk) Open(path string) (diskFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDisk) Remove(path string) error { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error { return statedir.Sync(dir) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// read returns the bytes of f between two offsets.
func read(f diskFile, from, to int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, from, to-from))
}
