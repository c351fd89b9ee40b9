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

// lockName is the file whose lock is the hold of a directory. It is never
// removed: a process that opened it before could then hold what nobody sees.
const lockName = "lock"

// holder is what the lock file tells the next process.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// hold takes the lock of dir and writes down who holds it.
func hold(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := statedir.TryLock(path)
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

// release forgets the holder before it lets go, so that a name found in the file
// is that of the holder or of one that died.
func release(f *os.File) error {
	return errors.Join(f.Truncate(0), f.Close())
}

// inUse names the holder. It may be just about to sign, and then has no name.
func inUse(dir, path string) error {
	err := fmt.Errorf("%w by another process", ErrInUse)
	if h, ok := readHolder(path); ok {
		err = fmt.Errorf("%w by process %d on host %s since %s", ErrInUse, h.PID, h.Host, h.Since.Format(time.RFC3339))
	}
	return &statedir.Error{
		Class: class,
		Op:    "open state directory", Path: dir, Err: err,
		Advice: "stop that process, or give this one a state directory of its own: two would save over each other's positions",
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
