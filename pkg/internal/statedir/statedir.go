// Package statedir is what the stores on disk share: a private directory, file
// names for lanes, locks that die with their process, and the fsync of a
// directory, without which a rename may be forgotten when the power fails.
//
// It knows nothing of what the files hold.
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Open makes dir a directory that only its owner can use. Where it has to be
// created, it is created with mode 0700, parents too, and survives a power loss
// once Open has returned.
//
// A directory that exists keeps its mode: it may be a mounted volume whose mode
// is not ours to set, or a directory like /var named by mistake. If others than
// its owner may enter it, warning says so and what to do; otherwise it is empty.
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

// create makes the missing part of dir and syncs the parent of each directory
// it made.
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

// Sync makes what was created, renamed or removed in dir survive a power loss.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Advice is what a person can do about an error of the file system at path;
// empty if nothing is known.
func Advice(err error, path string) string {
	switch {
	case errors.Is(err, ErrLost):
		return fmt.Sprintf("see that no other sluice uses %s and that no clean-up removes files there, then restart this one", filepath.Dir(path))
	case errors.Is(err, unix.ELOOP):
		return fmt.Sprintf("remove the symbolic link in %s, and let only the user that runs sluice write there", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("let the user that runs sluice (uid %d) own %s", os.Getuid(), path)
	case isFull(err):
		return fmt.Sprintf("free some space on the file system of %s", path)
	case isReadOnly(err):
		return fmt.Sprintf("%s is on a read-only file system: mount a writable volume there", path)
	}
	return ""
}
