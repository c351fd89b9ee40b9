package redact_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

// FuzzRedact redacts any event that the source decodes. encoding/json reads the result.
func FuzzRedact(f *testing.F) {
	for _, c := range corpus.Cases() {
		f.Add(c.Event.Raw)
	}
	f.Add([]byte(`{"id":"1","actor_display_name":"Ada Lovelace","metadata":{"secret":["Ada Lovelace",{"Ada Lovelace":12345}],"n":12345}}`))
	f.Add([]byte(`{"id":"1","remote_ip":12345,"metadata":{"secret":"\ud83d\ude00\u00e9x","a":{"b\ud83d\ude00\u00e9xb":[12345]}}}`))
	var redactors []*redact.Redactor
	for _, how := range []string{"hash", "mask", "remove"} {
		redactors = append(redactors, open(f, everything(how)...))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		events, err := planetscale.Parse(raw, corpus.Organization)
		if err != nil {
			return
		}
		for i := range events {
			for _, r := range redactors {
				e := events[i]
				got := r.Redact(&e)
				var left map[string]any
				if err := json.Unmarshal(got.Raw, &left); err != nil {
					t.Fatalf("%v\nevent %s\nleft  %s", err, e.Raw, got.Raw)
				}
				for _, value := range sought(&e) {
					if shown := find(left, value, true); shown != "" {
						t.Fatalf("%q shows in %q\nevent %s\nleft  %s", value, shown, e.Raw, got.Raw)
					}
				}
				if e.Problem == "" {
					checkDecoded(t, got)
				}
			}
		}
	})
}

// sought returns the values of an event that must not be found. It leaves out values that
// are too short, since they may occur anywhere.
func sought(e *source.Event) []string {
	all := []string{e.Actor.ID, e.Actor.Name, e.Objects[0].ID, e.Objects[0].Name, e.Objects[1].ID, e.Objects[1].Name, e.RemoteIP, e.Location}
	var metadata map[string]any
	if err := json.Unmarshal(e.Metadata, &metadata); err == nil {
		if text, ok := metadata["secret"].(string); ok {
			all = append(all, text)
		}
	}
	return slices.DeleteFunc(all, func(value string) bool { return len(value) < 4 || ours(value) })
}

// ours reports whether a value may occur in what redaction writes.
func ours(value string) bool {
	const own = "[masked] [removed] hmac: The event could not be read, so nothing in it could be redacted."
	return strings.Contains(own, value) || strings.ContainsAny(value, "[]:") || strings.Trim(value, "0123456789abcdef") == ""
}

// identity lists the keys whose values are not redacted.
var identity = []string{"id", "type", "audit_action", "action", "actor_type", "auditable_type", "target_type", "created_at", "updated_at", "withheld"}

// find returns a text in a JSON value that contains value, empty if there is none.
func find(in any, value string, top bool) string {
	switch in := in.(type) {
	case string:
		if strings.Contains(in, value) {
			return in
		}
	case []any:
		for _, element := range in {
			if shown := find(element, value, false); shown != "" {
				return shown
			}
		}
	case map[string]any:
		for key, member := range in {
			if top && slices.Contains(identity, key) {
				continue
			}
			if !top && strings.Contains(key, value) {
				return key
			}
			if shown := find(member, value, false); shown != "" {
				return shown
			}
		}
	}
	return ""
}
