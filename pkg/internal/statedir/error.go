package statedir

import "fmt"

// Error is why a file of the state, or its directory, could not be used.
type Error struct {
	Class  string // as metrics name it
	Op     string // what was attempted
	Path   string
	Err    error
	Advice string // what a person can do about it, if anything
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what a person can do about the error; empty if nothing is known.
func (e *Error) Hint() string { return e.Advice }

// ErrorClass is the class of the error.
func (e *Error) ErrorClass() string { return e.Class }
