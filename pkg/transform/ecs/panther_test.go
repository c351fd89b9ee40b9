package ecs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

const pantherSchema = "../../../configs/panther/planetscale-audit.yaml"

const pantherHead = `# Custom log schema of Panther for records of the sink panther in the format ecs, those of
# Sluice's own log included. Create it in Panther with Configure > Schemas, or with the
# Panther Analysis Tool. A test writes this file: go test ./pkg/transform/ecs -run Panther
# -update.
#
# Panther's names have no @, so the event's time is renamed
# (docs.panther.com/data-onboarding/custom-log-types/transformations).
`

// pantherField is a field of a schema (docs.panther.com/data-onboarding/custom-log-types/
// reference).
type pantherField struct {
	Name        string            `yaml:"name"`
	Required    bool              `yaml:"required,omitempty"`
	Type        string            `yaml:"type"`
	Rename      map[string]string `yaml:"rename,omitempty"`
	TimeFormats []string          `yaml:"timeFormats,omitempty"`
	IsEventTime bool              `yaml:"isEventTime,omitempty"`
	Indicators  []string          `yaml:"indicators,omitempty"`
	Element     map[string]string `yaml:"element,omitempty"`
	Fields      []*pantherField   `yaml:"fields,omitempty"`
}

// TestPantherSchemaHasEveryField holds the schema against the fields that the encoder may
// write. With -update it writes the schema.
func TestPantherSchemaHasEveryField(t *testing.T) {
	schema := struct {
		Schema      string          `yaml:"schema"`
		Description string          `yaml:"description"`
		Fields      []*pantherField `yaml:"fields"`
	}{"Custom.PlanetScale.Audit", "Audit log of PlanetScale in the Elastic Common Schema, and Sluice's own log", pantherFields(t)}
	text, err := yaml.MarshalWithOptions(schema, yaml.IndentSequence(true))
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../"+pantherSchema, pantherHead+string(text))
}

func pantherFields(t *testing.T) []*pantherField {
	facts := readFacts(t)
	paths := map[string]*pantherField{}
	for path, fact := range facts.Fields {
		paths[path] = pantherFieldOf(t, path, fact.Type, fact.Array)
	}
	for path, kind := range own {
		paths[path] = pantherFieldOf(t, path, kind, kind == "strings")
		paths[ofSluice(path)] = pantherFieldOf(t, path, kind, kind == "strings")
	}
	root := &pantherField{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		at := root
		parts := strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			at = at.member(part)
		}
		f := paths[path]
		f.Name = parts[len(parts)-1]
		f.Required = slices.Contains(required, path) && len(parts) == 1
		if f.Name == "@timestamp" {
			f.Name, f.Rename, f.IsEventTime = "timestamp", map[string]string{"from": "@timestamp"}, true
		}
		at.Fields = append(at.Fields, f)
	}
	return root.Fields
}

// ofSluice returns the name in Sluice's own log of a field that own lists.
func ofSluice(path string) string {
	path = strings.Replace(path, "planetscale.audit.auditable.", "sluice.own.subject.", 1)
	return strings.Replace(path, "planetscale.audit.", "sluice.own.", 1)
}

// member returns the object of that name, which it adds if there is none.
func (f *pantherField) member(name string) *pantherField {
	i := slices.IndexFunc(f.Fields, func(m *pantherField) bool { return m.Name == name })
	if i >= 0 {
		return f.Fields[i]
	}
	m := &pantherField{Name: name, Type: "object"}
	f.Fields = append(f.Fields, m)
	return m
}

func pantherFieldOf(t *testing.T, path, kind string, array bool) *pantherField {
	types := map[string]string{
		"date": "timestamp", "keyword": "string", "constant_keyword": "string", "match_only_text": "string", "wildcard": "string", "string": "string", "strings": "string",
		"ip": "string", "long": "bigint", "integer": "bigint", "float": "float", "geo_point": "json", "true": "boolean",
	}
	f := &pantherField{Type: types[kind]}
	switch {
	case f.Type == "":
		t.Fatalf("%s: no type of Panther is known for %q", path, kind)
	case f.Type == "timestamp":
		f.TimeFormats = []string{"rfc3339"}
	case array:
		f.Element, f.Type = map[string]string{"type": f.Type}, "array"
	case kind == "ip":
		f.Indicators = []string{"ip"}
	case path == "user.id" || path == "user.target.id":
		f.Indicators = []string{"actor_id"}
	case path == "user.name" || path == "user.target.name":
		f.Indicators = []string{"username"}
	case path == "user.email" || path == "user.target.email":
		f.Indicators = []string{"email"}
	}
	return f
}

// TestPantherSchemaFitsEveryRecord reads each record of the corpus by the schema: Panther
// refuses one with a value of another type, or without a required field, and leaves out a
// field that the schema does not have.
func TestPantherSchemaFitsEveryRecord(t *testing.T) {
	fields := pantherFields(t)
	check := func(name string, body []byte) {
		t.Helper()
		var document map[string]any
		if err := json.Unmarshal(body, &document); err != nil {
			t.Fatal(err)
		}
		if err := fitsPanther(fields, document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range corpus.Cases() {
		check(c.Name, encode(t, full, c.Event).Body)
	}
	for _, c := range corpus.OwnCases() {
		check(c.Name, corpus.Encode(t, ecs.Format, corpus.OwnOptions(full), c.Event).Body)
	}
}

func fitsPanther(fields []*pantherField, value map[string]any) error {
	known := map[string]*pantherField{}
	for _, f := range fields {
		name := f.Name
		if from := f.Rename["from"]; from != "" {
			name = from
		}
		known[name] = f
		if _, there := value[name]; f.Required && !there {
			return fmt.Errorf("no %s", name)
		}
	}
	for name, v := range value {
		f := known[name]
		if f == nil {
			return fmt.Errorf("the schema has no %s", name)
		}
		var ok bool
		switch f.Type {
		case "object":
			var object map[string]any
			if object, ok = v.(map[string]any); ok {
				if err := fitsPanther(f.Fields, object); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		case "array":
			_, ok = v.([]any)
		case "string", "timestamp":
			_, ok = v.(string)
		case "bigint", "float":
			_, ok = v.(float64)
		case "boolean":
			_, ok = v.(bool)
		default:
			ok = f.Type == "json"
		}
		if !ok {
			return fmt.Errorf("%s is %T, and the schema says %s", name, v, f.Type)
		}
	}
	return nil
}
