package transform_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/golden"
)

const introduction = `# Mapping

Written by ` + "`go test ./pkg/transform -run TestMapping -update`" + ` from the catalogue and from what the encoders write; a test checks that it is current.

What Sluice knows about the actions of PlanetScale's audit log is its *catalogue*. Which fields a record has, and which rule makes each, is below by format; for your own events ` + "`sluice map --explain`" + ` tells it.

- **Categories and types** are ECS event.category and event.type, in the combinations that ECS 9.4.0 expects.
- **API Activity** is the activity of OCSF class 6003, which fits every action; **IAM** the class and activity of Identity & Access Management where one fits, for sinks with ` + "`format_settings: {classes: iam}`" + `.
- **Severity** is ours, 0 to 10, since PlanetScale states none: 1 for what changes nothing, 3 for what is routine, 6 for deleting and for credentials, roles and permissions, 8 for what weakens the organization's protection or gives a credential away.
- **Technique** is of MITRE ATT&CK, where doing this is what the technique describes. Most who do it are no adversaries.
- **Object** is the type of what the action is done to. Which of auditable and target that is differs, so it is found by the types; the other is its container, unless it lies within the object. A user, membership or team among them is also the user or group of the record.

Both vocabularies of the API are here, since either may be on the wire. An alias has everything of the action it is an alias of that it does not say itself.

## Actions

`

const rulesIntroduction = `
## Actions that are not listed

They are delivered like all others, marked as unmapped and counted by ` + "`sluice_events_unmapped_total`" + `. What they are is guessed by what stands before the dot and by what stands behind it: by a row of its own, else that of the longest beginning of whole words, so that database_branch_tag is treated as a database_branch, else that of ` + "`*`" + `. Categories are the verb's if it has any; types those of both that the categories expect; the severity is the larger one.
`

const ownIntroduction = `
## A catalogue of your own

The key ` + "`catalogue:`" + ` of a configuration names a file that is laid over the built-in catalogue, for all sinks. It is checked as strictly as the configuration itself.

| key of an action | says |
|---|---|
| ` + "`title`" + ` | what happened, for people |
| ` + "`categories`, `types`" + ` | event.category and event.type of ECS; both or neither |
| ` + "`api`" + ` | the activity of OCSF's API Activity: create, read, update, delete or other |
| ` + "`iam`" + ` | class and activity of OCSF's Identity & Access Management, such as group_management.add_user, or none |
| ` + "`object`" + ` | the type of what it is done to, as in auditable_type and target_type |
| ` + "`severity`, `reason`" + ` | 0 to 10, and why; both or neither |
| ` + "`technique`" + ` | an id of MITRE ATT&CK, or none |
| ` + "`changes`" + ` | roles, where "from" and "to" in the metadata are the roles of a user before and after |
| ` + "`self`" + ` | true, where the actor is whom it was done to if nobody else is named |
| ` + "`alias`" + ` | an action whose entry says what this one does not |

` + "`resources`" + ` and ` + "`verbs`" + ` take the same keys but for title, iam, technique and alias. ` + "`techniques`" + ` names techniques by id. This is configs/catalogue/catalogue.yaml:

`

const fieldsIntroduction = `
## Fields
`

// TestMapping keeps docs/mapping.md current.
func TestMapping(t *testing.T) {
	example, err := os.ReadFile("../../configs/catalogue/catalogue.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString(introduction)
	writeActions(&text)
	text.WriteString(rulesIntroduction)
	writeRules(t, &text)
	text.WriteString(ownIntroduction)
	wantKeys(t, reflect.TypeFor[transform.Entries](), ownIntroduction)
	fmt.Fprintf(&text, "```yaml\n%s```\n", example)
	text.WriteString(fieldsIntroduction)
	writeFields(t, &text)
	golden.Check(t, "../../../docs/mapping.md", text.String())
}

func writeActions(text *strings.Builder) {
	catalogue := transform.Builtin()
	text.WriteString("| action | what happened | object | categories: types | API Activity | IAM | severity | technique |\n|---|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(slices.Values(catalogue.Actions())) {
		a := catalogue.Lookup(name)
		title := a.Title
		if strings.Contains(a.Rule, "alias of") {
			title += " (alias of " + a.Alias + ")"
		}
		iam := ""
		if a.IAM.UID != 0 {
			iam = fmt.Sprintf("%d %s: %s", a.IAM.UID, a.IAM.Name, a.IAM.ActivityName)
		}
		row(text, name, title, a.Object, strings.Join(a.Categories, ", ")+": "+strings.Join(a.Types, ", "), a.API.ActivityName, iam,
			fmt.Sprintf("%d: %s", a.Severity, a.Reason), strings.TrimSpace(a.Technique.ID+" "+a.Technique.Name))
	}
}

// writeRules reads the file, since nobody else needs the rules one by one.
func writeRules(t *testing.T, text *strings.Builder) {
	t.Helper()
	data, err := os.ReadFile("catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Categories, Types   []string
		Object, API, Reason string
		Severity            *int
	}
	var file struct{ Resources, Verbs map[string]rule }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		title string
		rules map[string]rule
	}{{"resource", file.Resources}, {"verb", file.Verbs}} {
		fmt.Fprintf(text, "\n| %s | categories | types | object | API Activity | severity |\n|---|---|---|---|---|---|\n", part.title)
		for _, name := range slices.Sorted(maps.Keys(part.rules)) {
			r := part.rules[name]
			severity := ""
			if r.Severity != nil {
				severity = fmt.Sprintf("%d: %s", *r.Severity, r.Reason)
			}
			row(text, "`"+name+"`", strings.Join(r.Categories, ", "), strings.Join(r.Types, ", "), r.Object, r.API, severity)
		}
	}
}

// writeFields tells the rules of all fields that are seen in any record.
func writeFields(t *testing.T, text *strings.Builder) {
	t.Helper()
	element := regexp.MustCompile(`\[[0-9]+\]`)
	rules := map[string]map[string]string{}
	for _, f := range formats {
		encoder := open(t, f.Format, transform.Options{Host: "h", Version: "v", Original: true, Settings: f.settings})
		if rules[f.Name] == nil {
			rules[f.Name] = map[string]string{}
		}
		for _, e := range events() {
			r, err := encoder.Transform(nil, &e)
			if err != nil {
				t.Fatal(err)
			}
			fields, err := f.Explain(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range fields {
				rules[f.Name][element.ReplaceAllString(field.Name, "[]")] = field.Rule
			}
		}
	}
	for _, format := range slices.Sorted(maps.Keys(rules)) {
		fmt.Fprintf(text, "\n### %s\n\n| field | is |\n|---|---|\n", format)
		for _, name := range slices.Sorted(maps.Keys(rules[format])) {
			row(text, name, rules[format][name])
		}
	}
}

// wantKeys checks that each key of a catalogue file is told.
func wantKeys(t *testing.T, of reflect.Type, text string) {
	t.Helper()
	for i := range of.NumField() {
		f := of.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key != "" && key != "actions" && !strings.Contains(text, "`"+key+"`") {
			t.Errorf("the key %s is not told of", key)
		}
		switch {
		case f.Type.Kind() == reflect.Struct:
			wantKeys(t, f.Type, text)
		case f.Type.Kind() == reflect.Map && f.Type.Elem().Kind() == reflect.Struct:
			wantKeys(t, f.Type.Elem(), text)
		}
	}
}

func row(text *strings.Builder, cells ...string) {
	fmt.Fprintf(text, "| %s |\n", strings.Join(cells, " | "))
}
