package statedir

import "fmt"

// Error is the reason why a file of the state, or its directory, could not be used.
// Package failure describes its methods.
type Error struct {
	Class string // in metrics
	Op    string // the attempted operation
	Path  string
	Err   error
	Hint  string // what a person can do about it, if anything
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) ErrorHint() string  { return e.Hint }
func (e *Error) ErrorClass() string { return e.Class }
