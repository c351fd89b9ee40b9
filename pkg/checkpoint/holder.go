package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

// lockName is the lock file of a directory. It is never removed: otherwise a process
// that opened it before could lock a file that no other process sees.
const lockName = "lock"

// holder is the content of the lock file: the process that holds the directory.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

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
	if err := sign(f); err != nil {
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
	if _, signed := readHolder(path); !signed {
		return false, nil
	}
	return statedir.Locked(path)
}

func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	line, err := json.Marshal(holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(line, '\n'), 0)
	return err
}

// release clears the lock file before it unlocks, so that a holder in the file is the
// current one or one that died.
func release(f *os.File) error {
	return errors.Join(f.Truncate(0), f.Close())
}

// inUse returns an error that names the holder, if it has already signed.
func inUse(dir, path string) error {
	err := fmt.Errorf("%w by another process", ErrInUse)
	if h, ok := readHolder(path); ok {
		err = fmt.Errorf("%w by process %d on host %s since %s", ErrInUse, h.PID, h.Host, h.Since.Format(time.RFC3339))
	}
	return &statedir.Error{
		Class: class,
		Op:    "open state directory", Path: dir, Err: err,
		Hint: "stop that process, or give this one its own state directory: two processes would overwrite each other's positions",
	}
}

func readHolder(path string) (h holder, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return holder{}, false
	}
	defer f.Close()
	err = json.NewDecoder(io.LimitReader(f, 4<<10)).Decode(&h)
	return h, err == nil && h.PID != 0
}
