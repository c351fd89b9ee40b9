package checkpoint

import (
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

var (
	// ErrInUse is about a directory that another process holds.
	ErrInUse = errors.New("is in use")
	// ErrCorrupt is about a file that is not what Save wrote.
	ErrCorrupt = errors.New("is not a usable checkpoint")
	// ErrVersion is about a file of another version of Sluice.
	ErrVersion = errors.New("was written in another version of the format")
	// ErrForeign is about a file that was saved for another lane.
	ErrForeign = errors.New("belongs to lane")
)

// Error is why a checkpoint or its directory could not be used.
type Error struct {
	Op     string // what was attempted
	Path   string
	Err    error
	Advice string // what a person can do about it, if anything
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what a person can do about the error; empty if nothing is known.
func (e *Error) Hint() string { return e.Advice }

// ErrorClass is the class as metrics name it.
func (e *Error) ErrorClass() string { return "checkpoint" }

func fail(op, path string, err error) error {
	return &Error{Op: op, Path: path, Err: err, Advice: statedir.Advice(err, path)}
}

// failLoad is the error of a file that exists and cannot be used. Only a person
// can know which position is right.
func failLoad(path, lane string, err error) error {
	advice := fmt.Sprintf("restore %s from a backup, or choose where to go on with `sluice checkpoint set -c FILE --to beginning|now|TIME %s`", path, lane)
	if errors.Is(err, ErrVersion) {
		advice = "run the version of sluice that wrote it, or a later one; otherwise " + advice
	}
	if a := statedir.Advice(err, path); a != "" {
		advice = a
	}
	return &Error{Op: "load checkpoint", Path: path, Err: err, Advice: advice}
}
