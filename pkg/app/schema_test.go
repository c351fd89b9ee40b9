package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-siem/sluice/pkg/config"
)

// schemas are the schemas of a build, for a configuration and for a file of sources.
type schemas struct{ configuration, sources *jsonschema.Schema }

func compiled(t *testing.T, k config.Kinds) schemas {
	t.Helper()
	return schemas{compiledOne(t, k, false), compiledOne(t, k, true)}
}

func compiledOne(t *testing.T, k config.Kinds, sources bool) *jsonschema.Schema {
	t.Helper()
	text, err := config.Describe(k).Schema(sources)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sluice.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sluice.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// judge validates a file as an editor does: it makes JSON of the YAML first.
func judge(schema *jsonschema.Schema, text string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("not YAML: %w", err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(instance)
}

func TestTheSchemaAcceptsEveryConfiguration(t *testing.T) {
	s := compiled(t, kinds())
	n := 0
	for _, pattern := range []string{"configs/*.yaml", "configs/*/*.yaml", "configs/*/*/*.yaml", "configs/*/*/*/*.yaml"} {
		paths, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			for _, text := range configurationsIn(t, path, read(t, path)) {
				n++
				schema := s.configuration
				if !strings.Contains("\n"+text, "\nsinks:") {
					schema = s.sources
				}
				if err := judge(schema, text); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		}
	}
	for name, doc := range documents(t) {
		for _, block := range blocks(doc, "yaml") {
			if !strings.Contains("\n"+block, "\nsources:") {
				continue // for compose or another program
			}
			n++
			if err := judge(s.configuration, block); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n < 18 {
		t.Errorf("found only %d configurations", n)
	}
}

// Whatever Sluice accepts in its scripts, the schema accepts.
func TestTheSchemaAcceptsWhatSluiceAccepts(t *testing.T) {
	s := compiled(t, kinds())
	texts := map[string]string{
		"any address":  soundSources + soundSinks + "admin: {listen: ':9000', hosts: [sluice]}\n",
		"IPv6":         soundSources + soundSinks + "admin: {listen: '[::1]:9000'}\n",
		"null":         soundSources + soundSinks + "admin:\nlog:\nstate: {type: file, settings: }\n",
		"null, redact": soundSources + "sinks: [{name: s, type: stdout, redact: , enrich: }]\n",
		"numbers":      soundSources + "sinks: [{name: 1, type: file, settings: {path: 1, max_bytes: 1048576, max_age: 1m, mode: 0640, keep: 1}}]\n",
		"brokers":      soundSources + "sinks: [{name: k, type: kafka, settings: {brokers: ['[::1]', 'a:1', b], topic: t, tls: }}]\n",
		"a credential": "sources: [{name: a, type: planetscale, settings: {organization: a, access_token: '${T}', url: 'HTTPS://[::1]:443/', retention: 360h}}]\n" + soundSinks,
		"a condition":  soundSources + "sinks: [{name: s, type: stdout, where: '\"iam\" in category or action == \"x\"'}]\n",
		"syslog":       soundSources + "sinks: [{name: s, type: syslog, settings: {address: 'TLS://a:1, tls://[fe80::1%25eth0]:2', settle: 0, sd_id: 'a@1.2', app_name: 'a]', hostname: h, facility: local7}}]\n",
		"formats":      soundSources + "sinks: [{name: s, type: stdout, format: leef, format_settings: {delimiter: '^'}}, {name: c, type: stdout, format: cef, format_settings: {version: 1}}]\n",
		"splunk":       soundSources + "sinks: [{name: s, type: splunk_hec, settings: {url: 'https://a/b/c', token: t, max_request_bytes: 1MB, ack_timeout: 3m}}]\n",
		"dollars":      soundSources + "sinks: [{name: s, type: file, settings: {path: '/a$$B/$c/{source}'}}]\n",
	}
	paths, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %v, %v, want scripts", paths, err)
	}
	for _, path := range paths {
		for _, file := range txtar.Parse([]byte(read(t, path))).Files {
			texts[path+"/"+file.Name] = string(file.Data)
		}
	}
	env := func(name string) (string, bool) { return "a-value-that-is-long-enough-for-a-key-" + name, true }
	n := 0
	for name, text := range texts {
		_, err := config.Parse("sluice.yaml", []byte(text), kinds(), env)
		if err != nil {
			if !strings.Contains(name, "/") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		n++
		if err := judge(s.configuration, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n < 12 {
		t.Errorf("found only %d sound configurations", n)
	}
}

// configurationsIn returns the configurations of Sluice in a file: the file itself, those in
// a ConfigMap, or the one in values for the chart.
func configurationsIn(t *testing.T, path, text string) (found []string) {
	t.Helper()
	if strings.Contains("\n"+text, "\nsources:") && !strings.Contains("\n"+text, "\napiVersion:") {
		return []string{text}
	}
	for document := range strings.SplitSeq(text, "\n---\n") {
		var object struct {
			Data   map[string]string // of a ConfigMap
			Config map[string]any    // of the values for the chart
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			continue // a file of another program, with other data
		}
		if object.Config["sources"] != nil {
			config, err := yaml.Marshal(object.Config)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, string(config))
		}
		for name, data := range object.Data {
			if strings.HasSuffix(name, ".yaml") && strings.Contains("\n"+data, "\nsources:") {
				found = append(found, data)
			}
		}
	}
	return found
}

// TestTheSchemaRefusesWrongConfigurations holds the schema against the corpus of wrong
// configurations. beyondTheSchema lists those that it accepts.
func TestTheSchemaRefusesWrongConfigurations(t *testing.T) {
	s := compiled(t, misconfigurationKinds())
	reasons := map[string]string{}
	for reason, cases := range beyondTheSchema {
		for words := range strings.Lines(strings.TrimSpace(cases)) {
			reasons[strings.TrimSpace(words)] = reason
		}
	}
	_, cases := readMisconfigurations(t)
	for _, c := range cases {
		text := c.files["sluice.yaml"]
		err := judge(s.configuration, text)
		if strings.Contains("\n"+text, "\nsources: ") {
			for name, file := range c.files {
				if name != "sluice.yaml" && strings.HasSuffix(name, ".yaml") && err == nil {
					err = judge(s.sources, file)
				}
			}
		}
		reason, noted := reasons[c.words]
		delete(reasons, c.words)
		if accepted := err == nil; accepted != noted {
			t.Errorf("%s: accepted is %v, and beyondTheSchema says %q", c.words, accepted, reason)
		}
	}
	for words := range reasons {
		t.Errorf("beyondTheSchema has %q, which is no case", words)
	}
}

// The files of sources that the tests of config refuse.
func TestTheSchemaRefusesWrongFilesOfSources(t *testing.T) {
	// Names must differ over all files, and a parser reads one document at a time.
	accepted := []string{"1-names.yaml", "9-two-documents.yaml"}
	s := compiled(t, kinds())
	paths, err := filepath.Glob("../config/testdata/sources-bad/*.yaml")
	if err != nil || len(paths) < 9 {
		t.Fatalf("got %v, %v, want files", paths, err)
	}
	for _, path := range paths {
		// The type of those tests does not need the id of a token.
		err := judge(s.sources, strings.ReplaceAll(read(t, path), "service_token: t", "service_token_id: i, service_token: t"))
		if got, want := err == nil, slices.Contains(accepted, filepath.Base(path)); got != want {
			t.Errorf("%s: accepted is %v, want %v (%v)", path, got, want, err)
		}
	}
}

// An editor shows what a key means, what it may be, and its default.
func TestTheSchemaDescribesKeys(t *testing.T) {
	text, err := config.Describe(kinds()).Schema(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"description": "How late an event may become visible in the log and still be delivered. At least 1s."`,
		`"default": "10m"`, `"service_token_file": {`, `"default": "exactly_once"`, `"OAUTHBEARER"`, `"default": 100`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the schema has no %s", want)
		}
	}
}

// A number or a switch may be a variable, and no other text.
func TestTheSchemaAllowsVariables(t *testing.T) {
	s := compiled(t, kinds())
	for value, want := range map[string]bool{
		`5`: true, `"${N}"`: true, `"${N:-5}"`: true, `"1${N}"`: true, `"5"`: false, `"$N"`: false, `"${N"`: false, `"${}"`: false, `"${N:-$M}"`: false, `0`: false, `true`: false,
	} {
		text := soundSources + "sinks: [{name: screen, type: stdout, max_rejects: " + value + "}]\n"
		if err := judge(s.configuration, text); (err == nil) != want {
			t.Errorf("max_rejects: %s: accepted is %v, want %v: %v", value, err == nil, want, err)
		}
	}
	for value, want := range map[string]bool{`true`: true, `"${B}"`: true, `"true"`: false, `yes`: false, `1`: false} {
		text := soundSources + "sinks: [{name: screen, type: stdout, original: " + value + "}]\n"
		if err := judge(s.configuration, text); (err == nil) != want {
			t.Errorf("original: %s: accepted is %v, want %v: %v", value, err == nil, want, err)
		}
	}
}
