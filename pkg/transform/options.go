package transform

import (
	"errors"
	"fmt"
)

// defaultMaxBytes is the largest body if the sink sets no limit: the default of
// sink.Limits.RecordBytes.
const defaultMaxBytes = 1 << 20

// ErrTooLarge means that a record exceeds the limit even with everything optional left
// out or shortened.
var ErrTooLarge = errors.New("record exceeds the limit")

// TooLarge returns the error of a format that could not make an event fit. size is the
// smallest body that it reached.
func TooLarge(size, limit int) error {
	return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, size, limit)
}

// Limit returns the largest body in bytes, with the default applied.
func (o Options) Limit() (int, error) {
	if o.MaxBytes < 0 {
		return 0, fmt.Errorf("largest record: %d bytes is negative", o.MaxBytes)
	}
	if o.MaxBytes == 0 {
		return defaultMaxBytes, nil
	}
	return o.MaxBytes, nil
}
