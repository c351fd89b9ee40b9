package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/source"
)

// acme is a type of source whose product has other names for its objects.
func acme(change func(*source.Type)) source.Type {
	t := logType("acme", source.Type{Product: source.Product{
		Vendor: "Acme", Name: "Acme Vault", Feature: "Audit Log", Version: "3", Dataset: "acme.vault",
		Objects: [2]string{"safe"},
		Keys:    source.Keys{ID: "id", Actor: source.Party{ID: "who.id", Name: "who.login"}, Objects: [2]source.Party{{ID: "safe.id"}}},
	}})
	change(&t)
	return t
}

func problems(kind source.Type, text string) []string {
	all := kinds
	all.Sources = append(slices.Clone(kinds.Sources), kind)
	_, err := config.Parse("f", []byte(text), all, env(nil))
	if err == nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(err.Error()), "\n")
}

// TestASinkSpeaksTheWordsOfItsSources checks that conditions and redaction name objects
// as the products of the followed sources do.
func TestASinkSpeaksTheWordsOfItsSources(t *testing.T) {
	const text = `
sources:
- {name: a, type: acme, settings: {organization: o, service_token: t}}
- {name: p, type: planetscale, settings: {organization: o, service_token: t}}
sinks:
- name: s
  type: stdout
  sources: [SOURCES]
  where: WHERE
  redact: {fields: [{field: FIELD, how: mask}]}
- {name: rest, type: stdout}
`
	for _, tt := range []struct{ words, sources, where, field, want string }{
		{"its own", "a", `safe.id == "1"`, "safe.id", ""},
		{"the other's", "p", `target.id == "1"`, "target.id", ""},
		{"what both have", "a, p", `actor.name == "x"`, "actor.name", ""},
		{"not another's in a condition", "a", `target.id == "1"`, "safe.id", "f:9:10: sinks[0].where: is not a condition: unknown name at line 1, column 1 of the condition; the fields are id, time, organization, action, verb, category, type, severity, actor, safe, remote_ip, "},
		{"nor a member of one", "a", `safe.nme == "1"`, "safe.id", "f:9:10: sinks[0].where: is not a condition: unknown member at line 1, column 6 of the condition; those of actor and safe are id, type and name"},
		{"nor in a field", "a", "true", "target.id", "f:10:22: sinks[0].redact.fields[0].field: is an unknown field; known: actor.id, actor.name, safe.id, safe.name, remote_ip, "},
		{"nor what only one of both has", "p, a", `target.id == "1"`, "actor.id", "f:9:10: sinks[0].where: is not a condition: unknown name"},
		{"nor what only the first has", "p, a", `safe.id == "1"`, "actor.id", "f:9:10: sinks[0].where: is not a condition: unknown name"},
		{"nor what neither has, which is told once", "p, a", "true", "boat.id", "f:10:22: sinks[0].redact.fields[0].field: is an unknown field"},
		{"nor what stands nobody knows where", "a", "true", "safe.name", "f:10:22: sinks[0].redact.fields[0].field: cannot be redacted: its place is unknown in the raw events of Acme Vault"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			got := problems(acme(func(*source.Type) {}), strings.NewReplacer("SOURCES", tt.sources, "WHERE", tt.where, "FIELD", tt.field).Replace(text))
			switch {
			case tt.want == "" && got == nil:
			case tt.want == "" || len(got) != 1 || !strings.HasPrefix(got[0], tt.want):
				t.Errorf("got %q, want one problem: %s", got, tt.want)
			}
		})
	}
}

// TestATypeOfSourceThatItsAuthorGotWrong checks that an invalid type is reported at the
// line that names it.
func TestATypeOfSourceThatItsAuthorGotWrong(t *testing.T) {
	const text = `
sources:
- {name: a, type: acme, settings: {organization: o, service_token: t}}
sinks:
- {name: s, type: stdout}
`
	for _, tt := range []struct {
		words  string
		change func(*source.Type)
		want   string
	}{
		{"nothing", func(*source.Type) {}, ""},
		{"a catalogue that is none", func(k *source.Type) { k.Catalogue = []byte(`{"action":{}}`) }, `line 1: unknown key "action"`},
		{"a rule with half a severity", func(k *source.Type) { k.Catalogue = []byte(`{"verbs":{"sealed":{"severity":3}}}`) },
			"verbs: sealed: has only one of severity and reason; write both"},
		{"an alias of nothing", func(k *source.Type) { k.Catalogue = []byte(`{"actions":{"safe.sealed":{"alias":"safe.closed"}}}`) },
			"actions: safe.sealed: unknown alias safe.closed"},
		{"a depth that is none", func(k *source.Type) { k.Catalogue = []byte(`{"depths":{"Safe":0}}`) }, "a depth is 0"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			got := problems(acme(tt.change), text)
			switch {
			case tt.want == "" && got == nil:
			case tt.want == "" || len(got) != 1 || !strings.HasPrefix(got[0], "f:3:13: sources[0].type: ") || !strings.Contains(got[0], tt.want):
				t.Errorf("got %q, want one problem: %s", got, tt.want)
			}
		})
	}
}
