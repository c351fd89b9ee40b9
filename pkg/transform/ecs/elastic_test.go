package ecs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/transform/internal/golden"
)

const (
	elasticTemplate = "../../../configs/elastic/index-template.json"
	elasticPipeline = "../../../configs/elastic/ingest-pipeline.json"
)

// object is a JSON object without a type of its own.
type object = map[string]any

// TestElasticTemplateMapsEveryField holds the properties of the index template
// against what the encoder may write: each field is there, with the type that
// ECS gives it, and nothing else is. With -update they are written.
func TestElasticTemplateMapsEveryField(t *testing.T) {
	template := readJSON[object](t, elasticTemplate)
	mappings := template["template"].(object)["mappings"].(object)
	mappings["properties"] = properties(t)
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetIndent("", "  ")
	if err := enc.Encode(template); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../"+elasticTemplate, want.String())
}

// properties are the mappings of all fields that judge lets pass.
func properties(t *testing.T) object {
	t.Helper()
	all := object{}
	for path, field := range readFacts(t).Fields {
		place(all, path, mapping(path, field.Type))
	}
	for path, kind := range own {
		esType, ok := map[string]string{
			"string": "keyword", "strings": "keyword", "true": "boolean", "integer": "long", "date": "date",
		}[kind]
		if !ok {
			t.Fatalf("%s: no type of Elasticsearch is known for %q", path, kind)
		}
		place(all, path, mapping(path, esType))
	}
	return all
}

// place puts a mapping where the path of its field leads.
func place(properties object, path string, m object) {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		properties[name] = m
		return
	}
	if properties[name] == nil {
		properties[name] = object{"properties": object{}}
	}
	place(properties[name].(object)["properties"].(object), rest, m)
}

// mapping is the mapping of a field. Elasticsearch refuses a document with a
// keyword of more than 32766 bytes, unless ignore_above says to leave it out of
// the index. The built-in ecs@mappings do not say so of names, which people
// choose. Like them it makes names searchable by word.
func mapping(path, esType string) object {
	switch path {
	case "event.original", "planetscale.audit.original_base64":
		return object{"type": "keyword", "index": false, "doc_values": false}
	case "planetscale.audit.metadata":
		return object{"type": "match_only_text"}
	case "data_stream.type":
		return object{"type": esType, "value": "logs"}
	case "data_stream.dataset":
		return object{"type": esType, "value": "planetscale.audit"}
	}
	if esType != "keyword" {
		return object{"type": esType}
	}
	m := object{"type": esType, "ignore_above": 1024}
	if strings.HasSuffix(path, ".name") || strings.HasSuffix(path, ".full_name") {
		m["fields"] = object{"text": object{"type": "match_only_text"}}
	}
	return m
}

// TestElasticTemplateWins holds what makes Elasticsearch use the template, and
// the pipeline, for the data stream that records name.
func TestElasticTemplateWins(t *testing.T) {
	template := readJSON[struct {
		Patterns []string `json:"index_patterns"`
		Priority int
		Composed []string `json:"composed_of"`
		Missing  []string `json:"ignore_missing_component_templates"`
		Stream   object   `json:"data_stream"`
	}](t, elasticTemplate)
	if want := []string{"logs-planetscale.audit-*"}; !slices.Equal(template.Patterns, want) || template.Stream == nil {
		t.Errorf("it is for %q, data stream %v; want %q, and a data stream", template.Patterns, template.Stream, want)
	}
	// Fleet's templates have 200; the manual asks for more than 500.
	if template.Priority <= 500 {
		t.Errorf("priority %d, want more than 500", template.Priority)
	}
	for _, component := range []string{"logs@mappings", "logs@settings", "ecs@mappings"} {
		if !slices.Contains(template.Composed, component) || slices.Contains(template.Missing, component) {
			t.Errorf("%s is not a part of it, or may be missing", component)
		}
	}
	for _, component := range template.Missing {
		if !slices.Contains(template.Composed, component) {
			t.Errorf("%s may be missing, and is no part of it", component)
		}
	}
}

// TestElasticPipelineNamesRequiredFields: an id made of a field that is missing
// would be the same for events that differ.
func TestElasticPipelineNamesRequiredFields(t *testing.T) {
	pipeline := readJSON[struct{ Processors []map[string]object }](t, elasticPipeline)
	fingerprints := 0
	for _, processor := range pipeline.Processors {
		fingerprint, ok := processor["fingerprint"]
		if !ok {
			continue
		}
		fingerprints++
		if fingerprint["target_field"] != "_id" {
			t.Errorf("the fingerprint goes to %v, want _id", fingerprint["target_field"])
		}
		for _, field := range fingerprint["fields"].([]any) {
			if !slices.Contains(required, field.(string)) {
				t.Errorf("the id is made of %s, which not every record has", field)
			}
		}
	}
	if fingerprints != 1 {
		t.Errorf("%d fingerprints, want 1", fingerprints)
	}
	if _, written := readFacts(t).Fields["event.ingested"]; written {
		t.Error("the pipeline sets event.ingested, and the encoder does too")
	}
}

func readJSON[T any](t *testing.T, path string) T {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}
