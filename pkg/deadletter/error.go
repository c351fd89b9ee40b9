package deadletter

import (
	"errors"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

var (
	// ErrFull is the error of letters that do not fit into the store.
	ErrFull = errors.New("the dead-letter store is full")
	// ErrBusy is the error of a lane that is being redriven.
	ErrBusy = errors.New("another redrive of this lane is running")
	// ErrUnreadable is the error of a line that is not a dead letter of this version.
	ErrUnreadable = errors.New("not a readable dead letter")
)

// class is the class of all errors in metrics.
const class = "dead_letters"

func fail(op, path string, err error) error {
	return &statedir.Error{Class: class, Op: op, Path: path, Err: err, Hint: hint(path, err)}
}

func (s *Store) failPut(lane string, err error) error {
	return fail("bury rejects of lane "+lane, s.dir, err)
}

func hint(path string, err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "the lane waits; run `sluice deadletter list` for the reasons, then publish the records with " +
			"`sluice deadletter redrive`, move files out of " + path + ", or raise dead_letters.max_bytes"
	case errors.Is(err, ErrBusy):
		return "wait until it has ended"
	case errors.Is(err, ErrUnreadable):
		return "check the line: it was edited, damaged, or written by a later version; repair or remove it by hand"
	}
	return statedir.Explain(err, path).Hint
}
