package cursorlog

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// The raw bytes of a gap have the keys of the log's own events.
func TestAGapHasTheKeysOfItsLog(t *testing.T) {
	const text = `"text":"Events of this interval may be missing: the audit log no longer reached back to where the lane had stopped."`
	const id, from, to = `"gap:64b0dec37d5de623ac1fbfb52dfad7a8"`, `"2026-01-02T11:00:00Z"`, `"2026-01-02T12:00:00Z"`
	for words, c := range map[string]struct {
		keys source.Keys
		want string
	}{
		"a flat log": {
			source.Keys{ID: "id", Time: "created_at", Action: "audit_action", Verb: "action"},
			`{"action":"gap","audit_action":"sluice.gap","created_at":` + to + `,"from":` + from + `,"id":` + id + `,"lane":"acme/siem","organization":"acme",` + text + `,"to":` + to + `}`,
		},
		"a nested one": {
			source.Keys{ID: "event.uid", Time: "event.at", Action: "event.name"},
			`{"event":{"name":"sluice.gap","at":` + to + `,"uid":` + id + `},"from":` + from + `,"lane":"acme/siem","organization":"acme",` + text + `,"to":` + to + `}`,
		},
		"one that names no keys": {
			source.Keys{},
			`{"action":"sluice.gap","time":` + to + `,"from":` + from + `,"id":` + id + `,"lane":"acme/siem","organization":"acme",` + text + `,"to":` + to + `}`,
		},
	} {
		src, err := New(Options{Settings: Defaults, Name: "acme", Organization: "acme", Keys: c.keys, Client: plain{}, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		e, err := (&gap{From: noon.Add(-time.Hour), To: noon}).event(src, "acme/siem")
		if err != nil || string(e.Raw) != c.want {
			t.Errorf("%s: got error %v and\n%s, want\n%s", words, err, e.Raw, c.want)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}
