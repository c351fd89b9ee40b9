package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
)

const compared = `
sources:
  - name: acme
    type: planetscale
    settings: {organization: acme, service_token: t}
  - name: globex
    type: planetscale
    settings: {organization: globex, service_token: t}
sinks:
  - name: siem
    own_events: false
    type: kafka
    settings: {topic: audit, sasl: {username: u, password: p}}
  - name: dir.one
    own_events: false
    type: file
    format: cef
    sources: [acme]
    redact: {fields: [{field: actor.name, how: mask}]}
    settings: {path: "/a/{source}"}
`

// Each change is a pair of texts: what stands in compared, and what replaces it.
func TestCompare(t *testing.T) {
	var none config.Difference
	kafka, file, both := []string{"acme/siem", "globex/siem"}, []string{"acme/dir.one"}, []string{"acme/siem", "globex/siem", "acme/dir.one"}
	former := parse(t, compared, nil)
	for name, c := range map[string]struct {
		old, new string
		want     config.Difference
	}{
		"nothing":           {"acme", "acme", none},
		"a comment":         {"sinks:", "# here\nsinks:", none},
		"a default":         {`settings: {path: "/a/{source}"}`, "settings: {path: \"/a/{source}\"}\n    max_rejects: 100\n    start: beginning\n    original: true\n    publish_timeout: 60s", none},
		"a default of all":  {"sinks:", "shutdown_timeout: 8000ms\nadmin: {listen: \"127.0.0.1:9876\"}\nlog: {level: info}\nstate: {type: file}\nsinks:", none},
		"another notation":  {`settings: {path: "/a/{source}"}`, "settings:\n      path: '/a/{source}'", none},
		"all, by name":      {"    type: kafka\n", "    type: kafka\n    sources: [globex, acme]\n", none},
		"a setting":         {"topic: audit", "topic: other", config.Difference{Keys: []string{"sinks.siem.settings.topic"}, Restarted: kafka}},
		"a list":            {"topic: audit", "topic: audit, brokers: [a, b]", config.Difference{Keys: []string{"sinks.siem.settings.brokers"}, Restarted: kafka}},
		"a secret":          {"password: p", "password: q", config.Difference{Keys: []string{"sinks.siem.settings.sasl.password"}, Restarted: kafka}},
		"settings in them":  {"topic: audit", "topic: audit, tls: {}", config.Difference{Keys: []string{"sinks.siem.settings.tls"}, Restarted: kafka}},
		"a name in a map":   {"topic: audit", "topic: audit, headers: {x: y}", config.Difference{Keys: []string{"sinks.siem.settings.headers.x"}, Restarted: kafka}},
		"a name with a dot": {"path: \"/a", "path: \"/b", config.Difference{Keys: []string{`sinks["dir.one"].settings.path`}, Restarted: file}},
		"what is redacted":  {"how: mask", "how: remove", config.Difference{Keys: []string{`sinks["dir.one"].redact.fields`}, Restarted: file}},
		"evidence":          {"{source}\"}", "{source}\"}\n    evidence: false", config.Difference{Keys: []string{`sinks["dir.one"].evidence`}, Restarted: file}},
		"a condition":       {"{source}\"}", "{source}\"}\n    where: severity > 3", config.Difference{Keys: []string{`sinks["dir.one"].where`}, Restarted: file}},
		"a format":          {"format: cef", "format: ecs", config.Difference{Keys: []string{`sinks["dir.one"].format`}, Restarted: file}},
		"a source": {"organization: acme", "organization: other", config.Difference{
			Keys: []string{"sources.acme.settings.organization"}, Restarted: []string{"acme/siem", "acme/dir.one"}, Sources: []string{"acme"}}},
		"a type": {"type: kafka\n    settings: {topic: audit, sasl: {username: u, password: p}}", "type: stdout", config.Difference{
			Keys: []string{"sinks.siem.settings", "sinks.siem.type"}, Restarted: kafka}},
		"whom it follows": {"sources: [acme]", "sources: [globex, acme]", config.Difference{
			Keys: []string{`sinks["dir.one"].sources`}, Started: []string{"globex/dir.one"}}},
		"a sink by another name": {"name: siem", "name: splunk", config.Difference{
			Keys: []string{"sinks.siem", "sinks.splunk"}, Ended: kafka, Started: []string{"acme/splunk", "globex/splunk"}}},
		"a source that went": {"  - name: globex\n    type: planetscale\n    settings: {organization: globex, service_token: t}\n", "", config.Difference{
			Keys: []string{"sinks.siem.sources", "sources.globex"}, Ended: []string{"globex/siem"}, Sources: []string{"globex"}}},
		"own events":  {"own_events: false", "own_events: true", config.Difference{Keys: []string{"sinks.siem.own_events"}, Started: []string{"sluice/siem"}}},
		"a catalogue": {"sinks:", "catalogue: testdata/catalogue.yaml\nsinks:", config.Difference{Keys: []string{"catalogue"}, Restarted: both}},
		"audits":      {"sinks:", "audit: {}\nsinks:", config.Difference{Keys: []string{"audit"}, Restarted: both}},
		"the state":   {"sinks:", "state: {settings: {dir: /x}}\nsinks:", config.Difference{Keys: []string{"dead_letters.dir", "state.settings.dir"}, Fixed: []string{"dead_letters.dir", "state.settings.dir"}}},
		"the process": {"sinks:", "memory: 64MiB\nheartbeat: 1h\nlog: {level: debug}\nadmin: {token: 0123456789abcdef}\nsinks:", config.Difference{
			Keys: []string{"admin.token", "heartbeat", "log.level", "memory"}, Fixed: []string{"admin.token", "heartbeat", "log.level", "memory"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(compared, c.old) {
				t.Fatalf("no %q to replace", c.old)
			}
			next := strings.Replace(compared, c.old, c.new, 1)
			changed := parse(t, next, nil)
			want(t, c.want, config.Compare(former, changed))
			back := c.want
			back.Started, back.Ended = c.want.Ended, c.want.Started
			got := config.Compare(changed, former)
			want(t, back.Keys, got.Keys)
			want(t, len(back.Started), len(got.Started))
			want(t, len(back.Ended), len(got.Ended))
			want(t, len(back.Restarted), len(got.Restarted))
		})
	}
}

func TestOrderIsNoDifference(t *testing.T) {
	first, second, found := strings.Cut(compared, "  - name: dir.one\n")
	head, siem, _ := strings.Cut(first, "sinks:\n")
	if !found {
		t.Fatal("no second sink")
	}
	turned := head + "sinks:\n  - name: dir.one\n" + second + siem
	want(t, config.Difference{}, config.Compare(parse(t, compared, nil), parse(t, turned, nil)))
}

// A secret of a file is another one if its path is. The file itself is read again by
// whoever uses it.
func TestASecretInAFileIsItsPath(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "one")
	write("b", "one")
	at := func(name string) *config.Config {
		return parse(t, strings.Replace(compared, "password: p", "password_file: "+filepath.Join(dir, name), 1), nil)
	}
	before := at("a")
	write("a", "two")
	want(t, nil, config.Compare(before, at("a")).Keys)
	want(t, []string{"sinks.siem.settings.sasl.password"}, config.Compare(before, at("b")).Keys)
}

// Whoever adds a field to a configuration must decide whether it is a difference. Those
// that are listed here as none say where something was read, or follow from another field.
func TestEveryFieldIsCompared(t *testing.T) {
	compares := map[reflect.Type][]string{
		reflect.TypeFor[config.Config]():      {"Path", "Sources", "Own", "SourceFiles", "State", "DeadLetters", "Sinks", "Admin", "Log", "Evidence", "AuditEvery", "Heartbeat", "ShutdownTimeout", "Memory", "Corrections"},
		reflect.TypeFor[config.Source]():      {"Name", "Type", "Catalogue", "Settings"},
		reflect.TypeFor[config.State]():       {"Type", "Dir", "Shared"},
		reflect.TypeFor[config.DeadLetters](): {"Dir", "MaxBytes"},
		reflect.TypeFor[config.Admin]():       {"Listen", "Hosts", "Token", "TLS"},
		reflect.TypeFor[config.Log]():         {"Level", "Format"},
		reflect.TypeFor[config.Sink](): {"Name", "Type", "Format", "FormatSettings", "Sources", "OwnEvents", "Start", "Original", "Prepare", "EnrichAt",
			"PublishTimeout", "MaxRejects", "BeyondWindow", "Evidence", "Settings"},
	}
	for kind, known := range compares {
		var fields []string
		for i := range kind.NumField() {
			fields = append(fields, kind.Field(i).Name)
		}
		want(t, known, fields)
	}
}

// A footprint tells a change of content by every way in which files are replaced, and
// nothing else.
func TestFootprint(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) { t.Helper(); do(os.WriteFile(path(name), []byte(text), 0o600)) }
	source := func(name string) string {
		return "sources: [{name: " + name + ", type: planetscale, settings: {organization: acme, service_token: t}}]\n"
	}
	main := "sources: ..data/conf.d\ncatalogue: " + path("catalogue.yaml") + "\nsinks: [{name: screen, type: stdout}]\n"
	entry := "actions: {branch.created: {title: A branch}}\n"
	do(os.MkdirAll(path("v1/conf.d"), 0o700))
	do(os.MkdirAll(path("v2/conf.d"), 0o700))
	do(os.Symlink("v1", path("..data")))
	write("v1/conf.d/a.yaml", source("a"))
	write("v2/conf.d/a.yaml", source("a"))
	write("catalogue.yaml", entry)
	write("sluice.yaml", main)
	_, trace, err := config.LoadTraced(path("sluice.yaml"), kinds)
	do(err)
	is := trace.Read()
	for _, step := range []struct {
		name    string
		do      func()
		changes bool
	}{
		{"nothing", func() {}, false},
		{"the same content in a new file", func() { write("new", main); do(os.Rename(path("new"), path("sluice.yaml"))) }, false},
		{"an editor renames", func() { write("new", main+"# x\n"); do(os.Rename(path("new"), path("sluice.yaml"))) }, true},
		{"and back", func() { write("sluice.yaml", main) }, false},
		{"the same at the end of another link", func() { do(os.Symlink("v2", path("new"))); do(os.Rename(path("new"), path("..data"))) }, false},
		{"other content at the end of the link", func() {
			write("v1/conf.d/a.yaml", source("b"))
			do(os.Symlink("v1", path("new")))
			do(os.Rename(path("new"), path("..data")))
		}, true},
		{"that is undone", func() { write("v1/conf.d/a.yaml", source("a")) }, false},
		{"a source more", func() { write("v1/conf.d/b.yaml", source("b")) }, true},
		{"which goes", func() { do(os.Remove(path("v1/conf.d/b.yaml"))) }, false},
		{"the catalogue", func() { write("catalogue.yaml", entry+"# x\n") }, true},
		{"which is removed", func() { do(os.Remove(path("catalogue.yaml"))) }, true},
		{"which is back", func() { write("catalogue.yaml", entry) }, false},
	} {
		step.do()
		if got := trace.Now() != is; got != step.changes {
			t.Errorf("%s: changed %t, want %t", step.name, got, step.changes)
		}
	}
	write("sluice.yaml", "sinks: 7\n")
	_, broken, err := config.LoadTraced(path("sluice.yaml"), kinds)
	if err == nil || broken.Read() != broken.Now() || broken.Read() == is {
		t.Errorf("a configuration with a problem: error %v, or a print that does not tell it apart", err)
	}
}
