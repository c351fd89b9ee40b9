package ownlog

import (
	"context"
	"errors"
)

// Files is a Store in a directory.
type Files struct{ Store }

// OpenFiles opens the log in dir, and creates both if they are missing.
func OpenFiles(dir string) (*Files, error) { return nil, errors.ErrUnsupported }

// ProbeFiles returns an error if OpenFiles could not open dir, or nothing could be written
// there. It changes nothing.
func ProbeFiles(dir string) error { return errors.ErrUnsupported }

var _ = context.Background
