package transform_test

import (
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/transform"
)

// TestACatalogueThatItsAuthorGotWrong wants each problem with the line and the name of its
// entry, and what to write instead.
func TestACatalogueThatItsAuthorGotWrong(t *testing.T) {
	const good = `"a.made": {"title": "A made"}`
	for text, want := range map[string]string{
		`{`:                      `line 1: `,
		`[]`:                     `line 1: is not an object; write {…}`,
		`{"actions": []}`:        `line 1: actions: is not an object; write {…}`,
		"{\n\"action\": {}}":     `line 2: unknown key "action"; write one of actions, depths, resources, roles, techniques, verbs`,
		"{\"actions\": {\n\"x\"": `line 2: `,
		"{\"actions\": {\n" + good + ",\n\"b.made\": {\"sevrity\": 3}}}":                                      `line 3: actions: b.made: unknown key "sevrity"; write one of alias, api, categories, changes, iam, object, reason, self, severity, technique, title, types`,
		"{\"actions\": {\n" + good + ",\n" + good + "}}":                                                      `line 3: actions: a.made: is in line 2, too; remove one of them`,
		"{\"actions\": {\"b.made\": {\n\n\"severity\": \"high\", \"reason\": \"r\"}}}":                        `line 1: actions: b.made: "severity" is a string; write a number`,
		"{\"actions\": {\n\"b.made\": {\"severity\": 3}}}":                                                    `line 2: actions: b.made: has only one of severity and reason; write both`,
		"{\"actions\": {\n\"b.made\": {\"categories\": [\"imm\"], \"types\": [\"info\"]}}}":                   `line 2: actions: b.made: unknown category; write one of api, `,
		"{\"actions\": {\n\"b.made\": {\"alias\": \"c.made\"}}}":                                              `line 2: actions: b.made: unknown alias c.made; write the name of another action`,
		"{\"actions\": {\n\"b.made\": {\"technique\": \"T9999\"}}}":                                           `line 2: actions: b.made: unknown technique T9999; add it to techniques with its name`,
		"{\"resources\": {\n\"b\": {\"severity\": 30, \"reason\": \"r\"}}}":                                   `line 2: resources: b: severity 30 is out of range; write a number from 0 to 10`,
		"{\"verbs\": {\n\"made\": 3}}":                                                                        `line 2: verbs: made: is a number; write an object`,
		"{\"techniques\": {\n\"T1\": \"x\"}}":                                                                 `line 2: techniques: T1: a key is not the id of a technique; write one such as T1098.001`,
		"{\"actions\": {},\n\"roles\": {}}":                                                                   `line 2: roles: is a object; write a list`,
		`{"roles": ["a", "b", "a"]}`:                                                                          `roles: role 3 is empty or occurs twice; write each role once, from the weakest to the strongest`,
		`{"roles": ["a", ""]}`:                                                                                `roles: role 2 is empty`,
		"{\"depths\": {\n\"b\": 0}}":                                                                          `line 2: depths: b: a depth is 0; write 1`,
		"{\"verbs\": {\n\"made\": {\"reason\": \"r\"},\n\"gone\": {\"reason\": \"r\"}}}":                      "line 3: verbs: gone: has only one of severity and reason; write both\nline 2: verbs: made: has only",
		"{\"verbs\": {\n\"made\": {\"title\": \"r\"},\n\"gone\": {\"self\": 1}}, \"depths\": {\"b\": \"1\"}}": "line 2: verbs: made: unknown key \"title\"; write one of api, categories, changes, object, reason, self, severity, types\nline 3: verbs: gone: \"self\" is a number; write true or false\nline 3: depths: b: is a string; write a number",
	} {
		if _, err := transform.ParseCatalogue([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
