package checkpoint

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/source"
)

var (
	// ErrInUse is about a directory that another process holds.
	ErrInUse = errors.New("is in use")
	// ErrCorrupt is about a file that is not what Save wrote.
	ErrCorrupt error = unusable("is not a usable checkpoint")
	// ErrVersion is about a file of another version of Sluice.
	ErrVersion error = unusable("was written in another version of the format")
	// ErrForeign is about a file that was saved for another lane.
	ErrForeign error = unusable("belongs to lane")
)

// unusable is about the content of a file, which another attempt to read it does not
// change.
type unusable string

func (u unusable) Error() string        { return string(u) }
func (u unusable) Is(target error) bool { return target == source.ErrUnusable }

// class is that of all errors, as metrics name it.
const class = "checkpoint"

func fail(op, path string, err error) error {
	return &statedir.Error{Class: class, Op: op, Path: path, Err: err, Advice: statedir.Advice(err, path)}
}

// failLoad is the error of a file that exists and was not loaded. Only a person can
// know which position is right where it is unusable; any other error may pass.
func failLoad(path, lane string, err error) error {
	if !errors.Is(err, source.ErrUnusable) {
		advice := cmp.Or(statedir.Advice(err, path), fmt.Sprintf("make %s a file that can be read; it is tried again", path))
		return &statedir.Error{Class: class, Op: "load checkpoint", Path: path, Err: err, Advice: advice}
	}
	advice := fmt.Sprintf("restore %s from a backup, or choose where to go on with `sluice checkpoint set -c FILE --to beginning|now|TIME %s`", path, lane)
	if errors.Is(err, ErrVersion) {
		advice = "run the version of sluice that wrote it, or a later one; otherwise " + advice
	}
	if errors.Is(err, ErrForeign) {
		advice = "if a rename was interrupted, give `sluice checkpoint rename` again; otherwise " + advice
	}
	return &statedir.Error{Class: class, Op: "load checkpoint", Path: path, Err: err, Advice: advice}
}
