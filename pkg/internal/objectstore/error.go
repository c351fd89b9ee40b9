package objectstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Kinds of errors. Every error of a Store that has one of these causes wraps it.
var (
	// ErrExists means that Create found an object with this key. It wrote nothing, but an
	// earlier attempt of the same caller may have.
	ErrExists = errors.New("the object exists")
	// ErrNotFound means that there is no such object.
	ErrNotFound = errors.New("there is no such object")
	// ErrRefused means that the store does not accept the credentials, or does not allow
	// the operation.
	ErrRefused = errors.New("the store refuses the credentials or does not allow it")
	// ErrRegion means that the bucket is in another region.
	ErrRegion = errors.New("the bucket is in another region")
	// ErrNoBucket means that there is no such bucket.
	ErrNoBucket = errors.New("there is no such bucket")
	// ErrBusy means that the store asks to wait.
	ErrBusy = errors.New("the store is busy")
	// ErrUnsupported means that the store does not know what it was asked for.
	ErrUnsupported = errors.New("the store does not support it")
)

// Error is an error of an operation.
type Error struct {
	Op    string        // what was done, such as "creating"
	At    string        // store and key, such as s3://bucket/prefix/key
	Kind  error         // one of the kinds; nil if the cause is none of them
	Cause error         // what the store answered; may be nil
	After time.Duration // the least time to wait that the store asked for
}

func (e *Error) Error() string {
	reason := e.Cause
	if reason == nil {
		reason = e.Kind
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.At, reason)
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Fault returns the error with what a lane and a person need to know of it. hint is what to
// do about a cause that waiting does not mend.
func Fault(e *Error, hint string) error {
	switch e.Kind {
	case ErrRefused:
		return sink.Refused(e, hint)
	case ErrRegion, ErrNoBucket, ErrUnsupported:
		return sink.Destination(e, hint)
	case ErrBusy:
		return sink.RetryAfter(e, max(e.After, busyPause))
	}
	if hint != "" {
		return sink.Hint(e, hint)
	}
	return e
}

// busyPause is the least pause after the store said that it is busy.
const busyPause = time.Second
