package ecs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
)

const (
	elasticTemplate    = "../../../configs/elastic/index-template.json"
	elasticPipeline    = "../../../configs/elastic/ingest-pipeline.json"
	elasticOwnTemplate = "../../../configs/elastic/own-index-template.json"
	elasticOwnPipeline = "../../../configs/elastic/own-ingest-pipeline.json"
)

// object is any JSON object.
type object = map[string]any

// TestElasticTemplateMapsEveryField compares the properties of the index template with
// the fields that the encoder may write. The template has each of them, with the type
// that ECS gives it, and no other. With -update the test writes the properties.
func TestElasticTemplateMapsEveryField(t *testing.T) {
	checkProperties(t, elasticTemplate, properties(t))
	checkProperties(t, elasticOwnTemplate, ofOwnLog(properties(t)))
}

// ofOwnLog turns the mappings of an audit log into those of Sluice's own log, as
// ofPlanetScale turns the names of fields back.
func ofOwnLog(all object) object {
	audit := all["planetscale"].(object)["properties"].(object)["audit"].(object)["properties"].(object)
	audit["subject"] = audit["auditable"]
	delete(audit, "auditable")
	delete(audit, "target") // Events of the own log have one object.
	delete(all, "planetscale")
	all["sluice"] = object{"properties": object{"own": object{"properties": audit}}}
	dataset := all["data_stream"].(object)["properties"].(object)["dataset"].(object)
	if _, constant := dataset["value"]; constant {
		dataset["value"] = "sluice.own"
	}
	return all
}

// checkProperties compares the properties of a template. With -update it writes them.
func checkProperties(t *testing.T, path string, properties object) {
	t.Helper()
	template := readJSON[object](t, path)
	mappings := template["template"].(object)["mappings"].(object)
	mappings["properties"] = properties
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetIndent("", "  ")
	if err := enc.Encode(template); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../"+path, want.String())
}

// properties returns the mappings of all fields that judge accepts.
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

// place adds the mapping of the field at path.
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

// mapping returns the mapping of a field. Elasticsearch refuses a document with a keyword
// of more than 32766 bytes, unless ignore_above leaves the keyword out of the index. The
// built-in ecs@mappings do not set it for names, which people choose. As in them, single
// words of a name can be searched.
func mapping(path, esType string) object {
	switch path {
	case "event.original", "planetscale.audit.original_base64", "planetscale.audit.note":
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

// TestElasticTemplateWins checks what makes Elasticsearch choose the template and the
// pipeline for the data stream that records name.
func TestElasticTemplateWins(t *testing.T) {
	wins(t, elasticTemplate, "logs-planetscale.audit")
	wins(t, elasticOwnTemplate, "logs-sluice.own")
}

func wins(t *testing.T, path, name string) {
	t.Helper()
	template := readJSON[struct {
		Patterns []string `json:"index_patterns"`
		Priority int
		Composed []string `json:"composed_of"`
		Missing  []string `json:"ignore_missing_component_templates"`
		Stream   object   `json:"data_stream"`
		Template struct {
			Settings struct {
				Index struct {
					Pipeline string `json:"default_pipeline"`
				}
			}
		}
	}](t, path)
	if got := template.Template.Settings.Index.Pipeline; got != name {
		t.Errorf("%s: the default pipeline is %q, want %q", path, got, name)
	}
	if want := []string{name + "-*"}; !slices.Equal(template.Patterns, want) || template.Stream == nil {
		t.Errorf("the template is for %q, data stream %v; want %q, and a data stream", template.Patterns, template.Stream, want)
	}
	// Fleet's templates have priority 200, and the manual asks for more than 500.
	if template.Priority <= 500 {
		t.Errorf("priority %d, want more than 500", template.Priority)
	}
	for _, component := range []string{"logs@mappings", "logs@settings", "ecs@mappings"} {
		if !slices.Contains(template.Composed, component) || slices.Contains(template.Missing, component) {
			t.Errorf("the template does not include %s, or allows it to be missing", component)
		}
	}
	for _, component := range template.Missing {
		if !slices.Contains(template.Composed, component) {
			t.Errorf("the template allows %s to be missing, but does not include it", component)
		}
	}
}

// TestElasticPipelineNamesRequiredFields requires that every record has the fields that
// the id is made of. Without such a field, different events would have the same id.
func TestElasticPipelineNamesRequiredFields(t *testing.T) {
	checkPipeline(t, elasticPipeline)
	checkPipeline(t, elasticOwnPipeline)
}

func checkPipeline(t *testing.T, path string) {
	t.Helper()
	pipeline := readJSON[struct{ Processors []map[string]object }](t, path)
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
				t.Errorf("the id is made of %s, but a record may lack it", field)
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
