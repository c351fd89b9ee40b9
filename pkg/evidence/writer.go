package evidence

import (
	"github.com/sluice-siem/sluice/pkg/source"
)

// Writer is what a lane needs to keep a log: who signs its notes, and what their events
// say. Lanes may share one, since a lane only reads it.
type Writer struct {
	Key          *Key        // signs every note; required
	Former       []*Key      // keys that were replaced: the one that signed the note before also signs the note that names a new key
	Keys         source.Keys // of the log's own events
	Organization string      // of the source
	Settings     string      // hash of what decides which events and values the sink gets; a note states it

	// Tell is called with each note once the destination has it, or, if the destination
	// refuses it for good, once it is a dead letter. It is called again for a note that is
	// delivered again. One goroutine of the lane calls it, and the lane waits for it. If it
	// is nil, nobody is told.
	Tell func(n *Note, signed string)
}
