package sink

import (
	"errors"
	"fmt"
	"time"
)

// Permanent marks an error as being about the record: published again, it
// would fail again. What is about the destination (credentials, index, topic,
// quota) is not permanent. Of several records a permanent error says that at
// least one is bad; the lane bisects.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// IsPermanent reports whether err is about the record.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// RetryAfter puts a floor under the lane's back-off.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return patient{err, d}
}

type patient struct {
	error
	after time.Duration
}

func (p patient) Unwrap() error             { return p.error }
func (p patient) RetryAfter() time.Duration { return p.after }

// Hint adds what a person can do about an error.
func Hint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// Destination marks an error as being about the destination in a way that
// waiting alone will not mend: credentials, index, topic, quota. It is retried,
// slowly, with the lane unhealthy and the hint shown.
func Destination(err error, hint string) error {
	if err == nil {
		return nil
	}
	return Hint(RetryAfter(destination{err}, slow), hint)
}

const slow = 30 * time.Second

type destination struct{ error }

func (d destination) Unwrap() error      { return d.error }
func (d destination) ErrorClass() string { return "destination" }

// BatchError names the records of a batch that were not delivered, each with
// its own error. Records it does not name were delivered. One that is empty, or
// names an index twice or out of range, tells nothing: all are published again.
type BatchError []RecordError

// RecordError is why the record at Index of a batch was not delivered.
type RecordError struct {
	Index int
	Err   error
}

func (e BatchError) Error() string {
	switch len(e) {
	case 0:
		return "no record named"
	case 1:
		return fmt.Sprintf("record %d: %v", e[0].Index, e[0].Err)
	}
	return fmt.Sprintf("%d records not delivered, first record %d: %v", len(e), e[0].Index, e[0].Err)
}

// Unwrap gives the records' errors, so that errors.As finds the first hint or
// floor among them. Whether the batch may be retried is for each to say.
func (e BatchError) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i].Err
	}
	return errs
}
