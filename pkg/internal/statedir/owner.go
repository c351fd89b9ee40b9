package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// OpenFile opens a file of the state for reading and writing. It creates a missing one with
// mode 0600. A symbolic link is refused (open(2), O_NOFOLLOW): a user who can write to the
// directory could point it at a file that the caller then overwrites.
func OpenFile(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = CreateFile(path)
		if !errors.Is(err, fs.ErrExist) { // another process has created it
			return f, err
		}
	}
}

// CreateFile creates a file that must not be there, with mode 0600, for reading and writing.
func CreateFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return Inherit(f)
}

// Inherit gives a new file or directory the owner of the directory that it is in, if root
// made it. Otherwise a command that a person runs as root would leave files that the daemon
// may not open. The file must be the caller's own: root must not give away what another
// user linked there. Inherit closes f if it fails.
func Inherit(f *os.File) (*os.File, error) {
	if os.Geteuid() != 0 {
		return f, nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err == nil {
		if dir, ok := info.Sys().(*syscall.Stat_t); ok && dir.Uid != 0 {
			err = give(f.Chown(int(dir.Uid), int(dir.Gid)))
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// give accepts the errors of a root that may not give files away, in a container without
// CAP_CHOWN or on NFS, and those of a file system without owners. Then it keeps the file.
func give(err error) error {
	for _, errno := range []unix.Errno{unix.EPERM, unix.EINVAL, unix.ENOTSUP, unix.ENOSYS} {
		if errors.Is(err, errno) {
			return nil
		}
	}
	return err
}

// inheritDir is Inherit for a directory that this process made.
func inheritDir(dir string) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err == nil {
		f, err = Inherit(f)
	}
	if err != nil {
		return err
	}
	return f.Close()
}
