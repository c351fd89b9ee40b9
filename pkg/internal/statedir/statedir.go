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

// Open creates dir and its parents if they are missing, with mode 0700. Open syncs
// the parent of each directory that it created, so that it survives a power loss. One that
// root creates belongs to the owner of its parent.
//
// An existing directory keeps its mode: it may be a mounted volume with a mode of
// its own, or a directory like /var that was named by mistake.
func Open(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return notDirectory(dir)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := Open(parent); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, 0o700); {
	case errors.Is(err, fs.ErrExist): // Another process is creating the same directory.
	case err != nil:
		return err
	default:
		if err := inheritDir(dir); err != nil {
			return err
		}
	}
	return Sync(parent)
}

// Probe finds out what Open would return, and changes nothing. If Open would create the
// directory, missing is true. If users other than its owner may enter it, warning says so
// and what to do; otherwise warning is empty. Probe also returns an error if this process
// could not keep files in the directory; it may be no more than a *Forecast.
func Probe(dir string) (missing bool, warning string, err error) { return probe(unix.Statfs, dir) }

// statfs is unix.Statfs.
type statfs func(path string, stat *unix.Statfs_t) error

func probe(ask statfs, dir string) (missing bool, warning string, err error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, "", probeParent(ask, dir)
	case err != nil:
		return false, "", err
	case !info.IsDir():
		return false, "", notDirectory(dir)
	}
	if err := Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return false, "", err
	}
	if err := Sync(dir); err != nil { // some file systems cannot
		return false, "", err
	}
	if err := room(ask, dir); err != nil {
		return false, "", err
	}
	warning, err = loose(dir)
	return false, warning, err
}

// probeParent returns the error of creating a directory that is missing.
func probeParent(ask statfs, dir string) error {
	// A link that leads nowhere cannot be created again.
	if _, err := os.Lstat(dir); err == nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("is a symbolic link that leads nowhere")}
	}
	parent := filepath.Dir(dir)
	info, err := os.Stat(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return probeParent(ask, parent)
	case err != nil:
		return err
	case !info.IsDir():
		return notDirectory(parent)
	}
	if err := Access(parent, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	if err := Sync(parent); err != nil {
		return err
	}
	return room(ask, parent)
}

// room returns an error if the file system of dir has no block or no file left. It reports
// nothing about a file system without such a limit: Btrfs counts no files.
func room(ask statfs, dir string) error {
	var s unix.Statfs_t
	if err := ask(dir, &s); err != nil {
		return nil // A start does not ask, so it does not fail with this.
	}
	blocks := int64(s.Bavail)
	if os.Geteuid() == 0 {
		blocks = int64(s.Bfree) // root may use what is reserved
	}
	if s.Blocks > 0 && blocks <= 0 || s.Files > 0 && int64(s.Ffree) <= 0 {
		return &fs.PathError{Op: "write", Path: dir, Err: unix.ENOSPC}
	}
	return nil
}

// Forecast is the error of Access: what this process will not be allowed. Opening the path
// can still succeed or fail, so a start must not depend on a Forecast.
type Forecast struct {
	Err   error
	Guess bool // the kernel did not say so; the owner and the mode did, without access lists
}

func (f *Forecast) Error() string { return f.Err.Error() }
func (f *Forecast) Unwrap() error { return f.Err }

// Access returns a *Forecast unless this process may use path as mode says (access(2)). It
// decides by the effective user and group, as opening the path would.
func Access(path string, mode uint32) error { return access(faccessat2, path, mode) }

// access asks the kernel. One before 5.8 has no faccessat2, and a seccomp filter that does
// not know it answers EPERM. Then unix.Faccessat looks at the owner and the mode.
func access(ask func(dir int, path string, mode uint32, flags int) error, path string, mode uint32) error {
	err := ask(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
	unknown := errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM)
	if unknown {
		err = unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
	}
	if err == nil {
		return nil
	}
	return &Forecast{&fs.PathError{Op: "access", Path: path, Err: err}, unknown && errors.Is(err, fs.ErrPermission)}
}

// loose returns a warning if users other than its owner may enter dir.
func loose(dir string) (warning string, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 {
		return fmt.Sprintf("directory %s has mode %#o, so others than its owner can enter it; chmod 0700 %s; on a file system without modes (FAT, CIFS) mount it with umask=0077 or dir_mode=0700",
			dir, info.Mode().Perm(), dir), nil
	}
	return "", nil
}

var errNotDirectory = errors.New("is not a directory")

func notDirectory(path string) error {
	return &fs.PathError{Op: "open directory", Path: path, Err: errNotDirectory}
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
