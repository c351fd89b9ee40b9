package sink

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
)

// Permanent marks an error as a fault of the record: another attempt would fail
// the same way. A fault of the destination (credentials, index, topic, quota) is
// not permanent. A permanent error for a batch of several records means that at
// least one of them is bad; the lane bisects the batch.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error   { return p.error }
func (p permanent) ErrorPermanent() {}

// IsPermanent reports whether err is a fault of the record.
func IsPermanent(err error) bool { return failure.IsPermanent(err) }

// RetryAfter makes the lane wait at least d before it tries again.
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

func (p patient) Unwrap() error                  { return p.error }
func (p patient) ErrorRetryAfter() time.Duration { return p.after }

// Hint adds advice to an error: what a person can do about it.
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

func (h hinted) Unwrap() error     { return h.error }
func (h hinted) ErrorHint() string { return h.hint }

// Destination marks an error as a fault of the destination that a person must
// repair: credentials, index, topic, quota. The lane retries slowly, is unhealthy
// meanwhile, and shows the hint.
func Destination(err error, hint string) error {
	if err == nil {
		return nil
	}
	return Hint(RetryAfter(destination{err}, slow), hint)
}

// Refused is a Destination that does not accept the credentials.
func Refused(err error, hint string) error {
	if err == nil {
		return nil
	}
	return Destination(refused{err}, hint)
}

type refused struct{ error }

func (r refused) Unwrap() error      { return r.error }
func (r refused) ErrorRefused() bool { return true }

const slow = 30 * time.Second

type destination struct{ error }

func (d destination) Unwrap() error      { return d.error }
func (d destination) ErrorClass() string { return "destination" }

// BatchError names the records of a batch that were not delivered, each with
// its own error. Records it does not name were delivered. A BatchError that is
// empty, or names an index twice or out of range, is invalid: the lane retries the
// whole batch.
type BatchError []RecordError

// RecordError is the reason why the record at Index of a batch was not delivered.
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

// Unwrap returns the records' errors, so that errors.As finds the first hint or
// RetryAfter among them. Each record's own error decides whether that record is
// retried.
func (e BatchError) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i].Err
	}
	return errs
}

// Faults returns the error of each of the n records of the batch, nil for a record that
// was delivered. It fails if e is invalid.
func (e BatchError) Faults(n int) ([]error, error) {
	faults := make([]error, n)
	for _, fault := range e {
		if fault.Index < 0 || fault.Index >= n || faults[fault.Index] != nil {
			return nil, e.invalid()
		}
		faults[fault.Index] = fault.Err
		if fault.Err == nil {
			faults[fault.Index] = errors.New("not delivered; the sink gave no reason")
		}
	}
	if len(e) == 0 {
		return nil, e.invalid()
	}
	return faults, nil
}

func (e BatchError) invalid() error {
	return fmt.Errorf("invalid BatchError (empty, duplicate or out-of-range index), so the whole batch counts as not delivered: %w", e)
}
