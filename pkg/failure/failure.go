// Package failure defines what a caller may ask of any error.
//
// The package where an error arises classifies it: a source, a sink or a store knows what
// went wrong. One place acts on each answer, and no other code guesses:
//
//	Hint         what a person can do       shown beside the error: in logs, in Status, on the command line
//	Class        the kind of trouble        counted by metrics; a log rarely repeats a class
//	RetryAfter   the least time to wait     the lane waits at least that long before the next attempt
//	IsRefused    are the credentials refused? said in the own log
//	IsPermanent  is it about the record?    the lane finds the record and rejects it
//	IsUnusable   is it about the position?  the lane ends, since only a person can decide where it resumes
//
// An error that answers nothing is retried with back-off. So is one that leaves the
// outcome open. Three things end the retries: IsPermanent, IsUnusable, and sink.ErrMoved,
// after which the lane loads its position again.
//
// An error answers with these methods, each of them optional:
//
//	ErrorHint() string               // empty: no hint
//	ErrorClass() string              // as metrics name it, such as "destination"
//	ErrorRetryAfter() time.Duration  // 0: only the back-off decides
//	ErrorRefused() bool              // the other side does not accept the credentials
//	ErrorPermanent()                 // an error with this method is permanent
//
// An error answers for those that it wraps: the outermost error with the method is asked.
// Of several wrapped side by side, as in errors.Join or sink.BatchError, the first one
// with the method is asked. So IsPermanent of a sink.BatchError is about one record only;
// ask the error of each record.
//
// Packages sink and source make such errors: sink.Permanent, sink.RetryAfter,
// sink.Hint, sink.Destination, source.Error. An error of another package may have
// the methods itself.
package failure

import (
	"context"
	"errors"
	"time"
)

// ErrUnusable means that a saved position cannot be used, and that to read it again does
// not help. Package source makes it public.
var ErrUnusable = errors.New("position is not usable")

// Hint is what a person can do about err; empty if err has no hint.
func Hint(err error) string {
	if e, ok := errors.AsType[interface {
		error
		ErrorHint() string
	}](err); ok {
		return e.ErrorHint()
	}
	return ""
}

// Class is the kind of trouble; empty if err has no class.
func Class(err error) string {
	if e, ok := errors.AsType[interface {
		error
		ErrorClass() string
	}](err); ok {
		return e.ErrorClass()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return ""
}

// RetryAfter is the least time to wait before another attempt; 0 if err sets none.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[interface {
		error
		ErrorRetryAfter() time.Duration
	}](err); ok {
		return e.ErrorRetryAfter()
	}
	return 0
}

// IsRefused reports whether err means that the other side does not accept the credentials.
func IsRefused(err error) bool {
	e, ok := errors.AsType[interface {
		error
		ErrorRefused() bool
	}](err)
	return ok && e.ErrorRefused()
}

// IsPermanent reports whether err is about the record: it would fail again if published
// again.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[interface {
		error
		ErrorPermanent()
	}](err)
	return ok
}

// IsUnusable reports whether err is about the content of a saved position. A person must
// choose where to resume.
func IsUnusable(err error) bool { return errors.Is(err, ErrUnusable) }
