package source

import (
	"errors"
	"time"
)

// ErrUnusable is about a saved position that is corrupt, of another version or not of
// this log. To read it again does not help: a person has to choose where to go on.
// What keeps a position from being read just now is another error.
var ErrUnusable = errors.New("position is not usable")

// Class says what kind of trouble an Error is, for metrics and for deciding
// when to log again. All of them are retried.
type Class string

const (
	// Refused is about credentials, permission or the organization: a person
	// must act. Retried slowly.
	Refused Class = "refused"
	// Throttled is an answer that asks for patience.
	Throttled Class = "throttled"
	// Unavailable is a network error, a time-out or an answer of a broken server.
	Unavailable Class = "unavailable"
	// Malformed is an answer, or a walk over several, that contradicts the API's
	// contract.
	Malformed Class = "malformed"
)

// Error is why a source could not be read.
type Error struct {
	Op       string // what was attempted
	Class    Class
	Err      error
	Advice   string        // what a person can do about it, if anything
	Patience time.Duration // a floor under the caller's back-off
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what a person can do about the error; empty if nothing is known.
func (e *Error) Hint() string { return e.Advice }

// RetryAfter is the least time to wait before another attempt.
func (e *Error) RetryAfter() time.Duration { return e.Patience }

// ErrorClass is the class as metrics name it.
func (e *Error) ErrorClass() string { return string(e.Class) }
