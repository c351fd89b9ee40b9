package ownlog

import (
	"context"
	"encoding/json"
	"fmt"
)

// Writer is a Log in a Store.
type Writer struct {
	Store    Store
	Instance Instance // set in every event that names none
}

// Append implements Log.
func (w *Writer) Append(ctx context.Context, e Event) error {
	if e.Instance == (Instance{}) {
		e.Instance = w.Instance
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("own log: event %s: %w", e.Action, err)
	}
	return w.Store.Append(ctx, line)
}
