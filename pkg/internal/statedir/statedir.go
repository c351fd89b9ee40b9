// Package statedir holds what the stores on disk share: a private directory, file
// names for lanes, locks that end with their process, and the fsync of a directory,
// without which a power failure can undo a rename.
//
// It does not know the content of the files.
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Open creates dir and its parents if they are missing, with mode 0700. A new
// directory survives a power loss once Open has returned.
//
// An existing directory keeps its mode: it may be a mounted volume with a mode of
// its own, or a directory like /var that was named by mistake. If users other than
// its owner may enter it, warning says so and what to do; otherwise warning is empty.
func Open(dir string) (warning string, err error) {
	if err := create(dir); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 {
		return fmt.Sprintf("directory %s has mode %#o, so others than its owner can enter it; chmod 0700 %s",
			dir, info.Mode().Perm(), dir), nil
	}
	return "", nil
}

// create creates the missing part of dir and syncs the parent of each directory
// that it created.
func create(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "open directory", Path: dir, Err: errors.New("is not a directory")}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := create(parent); err != nil {
		return err
	}
	// Another process may be creating the same directory.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return Sync(parent)
}

// Sync makes files that were created, renamed or removed in dir survive a power
// loss as such.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Hint returns what a person can do about an error of the file system at path;
// empty for an unknown error.
func Hint(err error, path string) string {
	switch {
	case errors.Is(err, ErrLost):
		return fmt.Sprintf("make sure that no other sluice uses %s and that no clean-up removes files there, then restart this one", filepath.Dir(path))
	case errors.Is(err, unix.ELOOP):
		return fmt.Sprintf("remove the symbolic link in %s, and let only the user that runs sluice write there", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("make the user that runs sluice (uid %d) the owner of %s", os.Getuid(), path)
	case isFull(err):
		return fmt.Sprintf("free some space on the file system of %s", path)
	case isReadOnly(err):
		return fmt.Sprintf("%s is on a read-only file system: mount a writable volume there", path)
	}
	return ""
}
