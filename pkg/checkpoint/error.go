package checkpoint

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
)

var (
	// ErrInUse is the error of a directory that another process holds.
	ErrInUse = errors.New("is in use")
	// ErrCorrupt is the error of a file that differs from what Save wrote.
	ErrCorrupt error = unusable("is not a usable checkpoint")
	// ErrVersion is the error of a file with another version of the format.
	ErrVersion error = unusable("was written in another version of the format")
	// ErrForeign is the error of a file that was saved for another lane.
	ErrForeign error = unusable("belongs to lane")
)

// unusable is an error of a file's content: reading the file again does not help.
type unusable string

func (u unusable) Error() string        { return string(u) }
func (u unusable) Is(target error) bool { return target == failure.ErrUnusable }

// class is the class of all errors in metrics.
const class = "checkpoint"

func fail(op, path string, err error) error {
	return &statedir.Error{Class: class, Op: op, Path: path, Err: err, Hint: statedir.Explain(err, path).Hint}
}

// failLoad returns the error of an existing file that was not loaded. If the file is
// unusable, only a person can know the right position; any other error may pass.
func failLoad(path, lane string, err error) error {
	if !failure.IsUnusable(err) {
		hint := cmp.Or(statedir.Explain(err, path).Hint, fmt.Sprintf("make %s readable; loading it is retried", path))
		return &statedir.Error{Class: class, Op: "load checkpoint", Path: path, Err: err, Hint: hint}
	}
	hint := fmt.Sprintf("restore %s from a backup, or choose where to resume with `sluice checkpoint set -c FILE --to beginning|now|TIME %s`", path, lane)
	if errors.Is(err, ErrVersion) {
		hint = "run the version of sluice that wrote it, or a later one; otherwise " + hint
	}
	if errors.Is(err, ErrForeign) {
		hint = "if a rename was interrupted, run `sluice checkpoint rename` again; otherwise " + hint
	}
	return &statedir.Error{Class: class, Op: "load checkpoint", Path: path, Err: err, Hint: hint}
}
