package verify_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// Whoever changes one field of a record and leaves all others is told of, whichever field a
// search reads: where the record has the original event for each, and otherwise for those
// that the record states twice, or that its leaf binds.
func TestAFieldThatSaysAnotherThingIsTold(t *testing.T) {
	p := verify.NewParser(types)
	if err := p.MapAgain(verify.Mapping{Formats: []transform.Format{ecs.Format}, Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	twice := []string{"event.id", "user.id", "user.name", "user.full_name", "organization.name", "source.ip", "client.ip"}
	fields := append(slices.Clone(twice), "event.action", "source.address", "planetscale.audit.actor.id", "planetscale.audit.actor.name",
		"planetscale.audit.action", "planetscale.audit.location", "planetscale.audit.metadata",
		"planetscale.audit.auditable.id", "planetscale.audit.auditable.type", "planetscale.audit.auditable.name",
		"planetscale.audit.target.id", "planetscale.audit.target.type", "planetscale.audit.target.name")
	changed := map[string]int{}
	for _, original := range []bool{true, false} {
		tr := transformer(t, ecs.Format, original, nil)
		for _, s := range newHistory(7, 60).shipped {
			if s.note != nil {
				continue
			}
			r, err := tr.Transform(nil, &s.event)
			if err != nil {
				t.Fatal(err)
			}
			before, err := p.Record(r.Body, verify.Beside{})
			if err != nil || before.Contradiction != "" {
				t.Fatalf("a record as it was: %q, %v", before.Contradiction, err)
			}
			if r.Truncated || s.event.Problem != "" {
				continue // Its leaf says so.
			}
			for _, path := range fields {
				body, ok := with(t, r.Body, path, "203.0.113.99")
				if !ok {
					continue
				}
				c, err := p.Record(body, verify.Beside{})
				bound := err == nil && c.Facts.Leaf() != before.Facts.Leaf()
				if told := c.Contradiction != "" || bound; err != nil || !told && (original || slices.Contains(twice, path)) {
					t.Errorf("%s (original: %t): nothing is told of %s, %v", path, original, body, err)
				}
				changed[path]++
			}
		}
	}
	for _, path := range fields {
		if changed[path] == 0 {
			t.Errorf("no record has %s", path)
		}
	}
}

// with returns a record with another value of a field, unless it has none.
func with(t *testing.T, body []byte, path, value string) ([]byte, bool) {
	var root map[string]any
	if err := json.Unmarshal(body, &root); err != nil {
		t.Fatal(err)
	}
	keys := strings.Split(path, ".")
	at := root
	for _, key := range keys[:len(keys)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			return nil, false
		}
		at = next
	}
	last := keys[len(keys)-1]
	if _, ok := at[last].(string); !ok {
		return nil, false
	}
	at[last] = value
	changed, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return changed, true
}
