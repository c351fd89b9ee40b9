package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Holder is what a lock file says about the process that holds it.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func (h Holder) String() string {
	return fmt.Sprintf("process %d on host %s since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
}

// Sign writes this process into the lock file that it holds.
func Sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	line, err := json.Marshal(Holder{PID: os.Getpid(), Host: host, Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(line, '\n'), 0)
	return err
}

// Release clears a lock file that was signed before it unlocks, so that a holder in the
// file is the current one or one that died.
func Release(f *os.File) error { return errors.Join(f.Truncate(0), f.Close()) }

// ReadHolder returns the process that signed the lock file at path; ok is false if none did.
func ReadHolder(path string) (h Holder, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return Holder{}, false
	}
	defer f.Close()
	err = json.NewDecoder(io.LimitReader(f, 4<<10)).Decode(&h)
	return h, err == nil && h.PID != 0
}
