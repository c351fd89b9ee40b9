package evidence

import (
	"encoding/json"
	"fmt"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
)

// NewEvent returns the event that carries a note. Its raw bytes have the keys of the log's
// own events. Its id is derived from the note, so it is the same if it is sent again.
func NewEvent(k source.Keys, organization string, n *Note, signed string) (source.Event, error) {
	k = k.Own()
	id := "note:" + HashOf(n.Text())[:32]
	action, verb := "sluice."+string(n.Kind), string(n.Kind)
	raw, err := source.RawOf(
		source.Member{Key: k.Verb, Value: verb}, source.Member{Key: k.Action, Value: action},
		source.Member{Key: k.Time, Value: n.Time}, source.Member{Key: k.ID, Value: id},
		source.Member{Key: "lane", Value: n.Lane}, source.Member{Key: "note", Value: signed},
		source.Member{Key: "organization", Value: organization},
	)
	if err != nil {
		return source.Event{}, fmt.Errorf("event of a note: %w", err)
	}
	return source.Event{
		ID: id, Time: n.Time, Read: n.Time, Organization: organization,
		Action: action, Verb: verb, Raw: raw, Note: signed,
	}, nil
}

// NoteOf returns the signed note in the raw bytes of an event that NewEvent made, and nothing
// for any other event.
func NoteOf(e *source.Event) string {
	var raw struct{ Note string }
	if !sink.IsNote(e.Action) || json.Unmarshal(e.Raw, &raw) != nil {
		return ""
	}
	return raw.Note
}
