package planetscale

import (
	"bytes"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
)

// markOwnToken marks the events about the service token with that id, with which the log is
// read: what was done to it, and what it did. It does nothing but read, so whatever else
// it did, somebody else has it.
func markOwnToken(events []source.Event, id string) {
	if id == "" {
		return
	}
	quoted := []byte(`"` + id + `"`)
	for i := range events {
		e := &events[i]
		about := strings.HasPrefix(e.Action, "service_token.") &&
			(slices.ContainsFunc(e.Objects[:], func(o source.Party) bool { return o.ID == id }) || bytes.Contains(e.Metadata, quoted))
		e.OwnToken = about || e.Actor.ID == id
	}
}
