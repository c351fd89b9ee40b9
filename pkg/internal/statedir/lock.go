package statedir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is the error of a lock that another holder has.
var ErrLocked = errors.New("is locked")

// How long a lock is waited for. One that is held longer than patience belongs to a stopped
// process or a hanging file system, which the caller must report.
const (
	patience = 10 * time.Second
	moment   = time.Second
)

// ErrLost is the error of a lock whose file was removed or replaced. The lock then
// excludes nobody: another process can lock the new file.
var ErrLost = errors.New("the lock was removed or replaced while this process held it")

// TryLock opens the file at path, or creates it with mode 0600, and locks it. It
// returns ErrLocked if another holder has the lock. The lock ends when the file is
// closed, at the latest when the process dies. A symbolic link is refused, as by OpenFile.
func TryLock(path string) (*os.File, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	err = TryLockFile(f)
	if err == nil {
		err = Held(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ProbeLock returns an error if the file at path cannot be a lock. It returns none
// if the file is missing: TryLock creates it.
func ProbeLock(path string) error {
	info, err := os.Lstat(path)
	refuse := func(err error) error { return &fs.PathError{Op: "open", Path: path, Err: err} }
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return refuse(unix.ELOOP)
	case info.IsDir():
		return refuse(unix.EISDIR)
	case !info.Mode().IsRegular():
		return refuse(errNotFile)
	}
	return Access(path, unix.R_OK|unix.W_OK)
}

var errNotFile = errors.New("is a pipe or device")

// Locked reports whether the lock of the file at path is held. For a moment it takes the lock
// itself, shared: others can ask at the same time, and a TryLock is refused. LockForGood
// outlasts that.
func Locked(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	err = flock(f, unix.LOCK_SH)
	held := errors.Is(err, ErrLocked)
	if held {
		err = nil
	}
	return held, errors.Join(err, f.Close())
}

// Held returns ErrLost unless the file of a lock is still at its path.
func Held(f *os.File) error {
	ours, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(f.Name())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(ours, there) {
		return &os.PathError{Op: "lock", Path: f.Name(), Err: ErrLost}
	}
	return nil
}

// TryLockFile locks an open file, or returns ErrLocked. Two descriptors that were
// opened apart exclude each other also within one process.
func TryLockFile(f *os.File) error { return flock(f, unix.LOCK_EX) }

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return &os.PathError{Op: "lock", Path: f.Name(), Err: ErrLocked}
		case err != nil:
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		return nil
	}
}

// Lock calls TryLock until it gets the lock, ctx ends, or ten seconds have passed.
// It does not block in the kernel, where ctx could not interrupt it.
func Lock(ctx context.Context, path string) (*os.File, error) {
	return lockWithin(ctx, patience, path)
}

// LockForGood is for a lock that its holder keeps until it ends. It tries for a second, in
// which a Locked of another process ends.
func LockForGood(path string) (*os.File, error) {
	return lockWithin(context.Background(), moment, path)
}

func lockWithin(ctx context.Context, patience time.Duration, path string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		f, err := TryLock(path)
		if err == nil || !errors.Is(err, ErrLocked) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w by another process: %w", err, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
