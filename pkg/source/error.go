package source

import (
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
)

// ErrUnusable means that a saved position is corrupt, of another version or not of this
// log. Reading it again does not help: a person must choose where to resume. If a position
// cannot be read at the moment, the error is another one.
var ErrUnusable = failure.ErrUnusable

// Class is the kind of an Error, for metrics and for deciding when to log again. Errors
// of every class are retried.
type Class string

const (
	// Refused means wrong credentials, permission or organization: a person must act.
	// It is retried after 30 s at the earliest, unless RetryAfter is set.
	Refused Class = "refused"
	// Throttled is an answer that asks the client to wait.
	Throttled Class = "throttled"
	// Unavailable is a network error, a time-out or a server failure.
	Unavailable Class = "unavailable"
	// Malformed is an answer, or a walk over several, that contradicts the API's contract.
	Malformed Class = "malformed"
)

// Error is the reason why a source could not be read.
type Error struct {
	Op         string // what was attempted; empty if the error that wraps it names that
	Class      Class
	Err        error
	Hint       string        // what a person can do about it, if anything
	RetryAfter time.Duration // a floor under the caller's back-off; default for Refused: 30 s
}

func (e *Error) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// ErrorHint returns Hint, for the code that reports the error to people.
func (e *Error) ErrorHint() string { return e.Hint }

// ErrorClass returns Class as metrics name it.
func (e *Error) ErrorClass() string { return string(e.Class) }

// ErrorRefused reports whether the source does not accept the credentials.
func (e *Error) ErrorRefused() bool { return e.Class == Refused }

// ErrorRetryAfter returns RetryAfter or its default, for the code that retries.
func (e *Error) ErrorRetryAfter() time.Duration {
	if e.Class == Refused && e.RetryAfter == 0 {
		return slow
	}
	return e.RetryAfter
}

// slow is the least time until the next attempt where a person must act first.
const slow = 30 * time.Second
