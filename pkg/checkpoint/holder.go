package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// lockName is the lock file of a directory. It is never removed: otherwise a process
// that opened it before could lock a file that no other process sees.
const lockName = "lock"

// hold locks dir and writes this process into the lock file.
func hold(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := statedir.LockForGood(path)
	if errors.Is(err, statedir.ErrLocked) {
		return nil, inUse(dir, path)
	}
	if err != nil {
		return nil, fail("open state directory", dir, err)
	}
	if err := statedir.Sign(f); err != nil {
		return nil, errors.Join(fail("open state directory", dir, err), f.Close())
	}
	return f, nil
}

// probeHolder returns the error that hold would return. It does not touch the lock of a
// directory that was closed: nobody can hold that without having signed, except for the
// moment before, in which a process that starts must get it.
func probeHolder(dir string) error {
	path := filepath.Join(dir, lockName)
	held, err := isHeld(path)
	if err != nil {
		return fail("open state directory", dir, err)
	}
	if held {
		return inUse(dir, path)
	}
	return nil
}

func isHeld(path string) (bool, error) {
	if err := statedir.ProbeLock(path); err != nil {
		return false, err
	}
	if _, signed := statedir.ReadHolder(path); !signed {
		return false, nil
	}
	return statedir.Locked(path)
}

// inUse returns an error that names the holder, if it has already signed.
func inUse(dir, path string) error {
	err := fmt.Errorf("%w by another process", ErrInUse)
	if h, ok := statedir.ReadHolder(path); ok {
		err = fmt.Errorf("%w by %s", ErrInUse, h)
	}
	return &statedir.Error{
		Class: class,
		Op:    "open state directory", Path: dir, Err: err,
		Hint: "stop that process, or give this one its own state directory: two processes would overwrite each other's positions",
	}
}
