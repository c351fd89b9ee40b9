package deadletter

import (
	"errors"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

var (
	// ErrFull is about letters that do not fit in the store.
	ErrFull = errors.New("the dead letters are full")
	// ErrBusy is about a lane that is being redriven.
	ErrBusy = errors.New("another redrive of this lane is under way")
	// ErrUnreadable is about a line that is no dead letter of this version.
	ErrUnreadable = errors.New("not a readable dead letter")
)

// class is that of all errors, as metrics name it.
const class = "dead_letters"

func fail(op, path string, err error) error {
	return &statedir.Error{Class: class, Op: op, Path: path, Err: err, Advice: advice(path, err)}
}

func (s *Store) failPut(lane string, err error) error {
	return fail("bury rejects of lane "+lane, s.dir, err)
}

func advice(path string, err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "see with `sluice deadletter list` why records are refused, then publish them with " +
			"`sluice deadletter redrive`, move files out of " + path + ", or raise dead_letters.max_bytes; the lane waits"
	case errors.Is(err, ErrBusy):
		return "wait until it has ended"
	case errors.Is(err, ErrUnreadable):
		return "look at the line: it was edited, damaged, or written by a later version; mend or remove it by hand"
	}
	return statedir.Advice(err, path)
}
