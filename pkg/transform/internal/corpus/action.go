package corpus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// actions are the actions that the simulator knows, sorted by name.
func actions() []simulator.Action {
	return slices.SortedFunc(slices.Values(simulator.Actions()), func(a, b simulator.Action) int { return cmp.Compare(a.Name, b.Name) })
}

// Actions returns the names of the actions of both vocabularies.
func Actions() []string {
	var names []string
	for _, a := range actions() {
		names = append(names, a.Name)
	}
	return names
}

// ActionCases returns an event for each action. Its name is the action's.
func ActionCases() []Case {
	var cases []Case
	for _, a := range actions() {
		_, verb, _ := strings.Cut(a.Name, ".")
		members := []string{"audit_action", fmt.Sprintf("%q", a.Name), "action", fmt.Sprintf("%q", verb), "metadata", "null"}
		members = append(members, party("auditable", a.Auditable)...)
		members = append(members, party("target", a.Target)...)
		if strings.HasSuffix(verb, "updated_role") {
			members[5] = `{"from":"member","to":"admin"}`
		}
		cases = append(cases, with(a.Name, members...))
	}
	return cases
}

// party returns the members of an auditable or target of a type. They are null if kind is
// empty.
func party(part, kind string) []string {
	if kind == "" {
		return []string{part + "_id", "null", part + "_type", "null", part + "_display_name", "null"}
	}
	return []string{part + "_id", `"` + strings.ToLower(kind) + `1"`, part + "_type", `"` + kind + `"`, part + "_display_name", `"a ` + kind + `"`}
}
