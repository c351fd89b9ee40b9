package source

import (
	"context"
	"time"
)

// Listed is an event as a log lists it, for whoever checks what was delivered.
type Listed struct {
	ID   string    // as in Event
	Time time.Time // when it happened; zero if it says none that can be used
	Raw  []byte    // as the API sent it, to the byte
}

// Relister may be implemented by the settings of a source whose log can be listed again by
// code that shares nothing with its readers, to find out what they should have delivered.
type Relister interface {
	Organizer

	// Relist lists the whole log and calls each for every event, in any order, once for
	// each id. each may keep the event. An error means that the listing is not whole.
	Relist(ctx context.Context, each func(Listed) error) error

	// Lateness is how late an event may be listed and still be delivered.
	Lateness() time.Duration
}
