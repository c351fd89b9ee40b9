package ownlog

import (
	"context"
	"fmt"
)

// Writer is a Log in a Store.
type Writer struct {
	Store    Store
	Instance Instance // set in every event that names none
}

// Append implements Log. An event that is too large for a line is shortened.
func (w *Writer) Append(ctx context.Context, e Event) error {
	if e.Instance == (Instance{}) {
		e.Instance = w.Instance
	}
	line, err := encode(e)
	if err != nil {
		return fmt.Errorf("own log: event %s: %w: %w", e.Action, ErrUnfit, err)
	}
	return w.Store.Append(ctx, line)
}
