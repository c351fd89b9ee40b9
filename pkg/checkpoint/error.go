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

// class is that of all errors, as metrics name it.
const class = "checkpoint"

func fail(op, path string, err error) error {
	return &statedir.Error{Class: class, Op: op, Path: path, Err: err, Advice: statedir.Advice(err, path)}
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
	return &statedir.Error{Class: class, Op: "load checkpoint", Path: path, Err: err, Advice: advice}
}
