// Package regular opens files for reading that a configuration names. It refuses what is no
// regular file: reading a pipe may block for good, and with it a reload and the end of the
// process.
package regular

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrIrregular means that a path leads to a pipe, a device or the like.
var ErrIrregular = errors.New("is not a regular file")

// Open opens a file as os.Open does. A directory is refused as one that is read.
func Open(path string) (*os.File, error) {
	// Who waits to write into a pipe must not notice, so it is not even opened.
	info, err := os.Stat(path)
	if err == nil {
		err = check(path, info)
	} else if e := new(fs.PathError); errors.As(err, &e) {
		e.Op = "open"
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil { // It may have been replaced.
		err = check(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func check(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return &fs.PathError{Op: "read", Path: path, Err: unix.EISDIR}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: path, Err: ErrIrregular}
	}
	return nil
}

// Read returns what is in a file, as os.ReadFile does.
func Read(path string) (_ []byte, err error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(f)
}
