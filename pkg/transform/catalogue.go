package transform

import "strings"

// Action is what the catalogue knows about an action of the source. The slices
// are shared and must not be changed.
type Action struct {
	Categories []string // ECS event.category
	Types      []string // ECS event.type; each is allowed by one of the categories
	Severity   int      // 0 to 10
	Mapped     bool     // false if the action, or its verb, is none the catalogue has
}

// Outcome is the outcome of the action, in the words of ECS. The API states
// none, but an action that was logged happened. It is empty for reads and for
// what merely informs.
func (a *Action) Outcome() string {
	switch a.Types[0] {
	case "access", "info":
		return ""
	}
	return "success"
}

// Lookup classifies an action such as "deploy_request.queued". An action that
// nobody has seen yet is classified by what is known of its resource and its
// verb, as configuration and info where that is nothing, and marked unmapped.
func Lookup(action string) *Action {
	if known, ok := exceptionActions[action]; ok {
		return known
	}
	name, verbName, _ := strings.Cut(action, ".")
	r, exact := findResource(name)
	v := findVerb(verbName)
	if exact {
		return &ruled[r][v].known
	}
	return &ruled[r][v].guessed
}

// findResource finds the row of a resource: its own, else that of the longest
// beginning of whole words, so that "database_branch_tag" is treated as a
// "database_branch".
func findResource(name string) (row int, exact bool) {
	if row, ok := resourceRows[name]; ok {
		return row, true
	}
	for {
		end := strings.LastIndexByte(name, '_')
		if end < 0 {
			return 0, false
		}
		name = name[:end]
		if row, ok := resourceRows[name]; ok {
			return row, false
		}
	}
}

// findVerb finds the row of a verb: its own, else that of its first word, so
// that "updated_cluster_size" is treated as "updated".
func findVerb(name string) int {
	if row, ok := verbRows[name]; ok {
		return row
	}
	first, _, _ := strings.Cut(name, "_")
	return verbRows[first]
}

// classified is an action by the two tables: of a resource with a row of its
// own, and of one that was guessed to be like it.
type classified struct{ known, guessed Action }

var (
	resourceRows     = rows(resources, func(r resource) string { return r.name })
	verbRows         = rows(verbs, func(v verb) string { return v.name })
	ruled            = cross(resources, verbs)
	exceptionActions = index(exceptions)
)

func rows[T any](table []T, name func(T) string) map[string]int {
	byName := make(map[string]int, len(table))
	for i, row := range table {
		byName[name(row)] = i
	}
	return byName
}

func cross(resources []resource, verbs []verb) [][]classified {
	table := make([][]classified, len(resources))
	for i, r := range resources {
		for j, v := range verbs {
			a := combine(r, v)
			c := classified{known: a, guessed: a}
			c.known.Mapped = i > 0 && j > 0
			table[i] = append(table[i], c)
		}
	}
	return table
}

// combine applies a verb to a resource. Where the verb says what kind of event
// it makes, as those about members do, the resource's own categories do not
// count. The identity category knows no access, so that becomes info.
func combine(r resource, v verb) Action {
	categories, subject := r.categories, r.subject
	if v.categories != nil {
		categories = v.categories
		if subject == "" {
			subject = v.subject
		}
	}
	iam := categories[0] == "iam"
	types := []string{v.kind}
	if iam && v.kind == "access" {
		types[0] = "info"
	}
	if iam && subject != "" {
		types = append(types, subject)
	}
	return Action{Categories: categories, Types: types, Severity: max(r.severity, v.severity)}
}

func index(table []exception) map[string]*Action {
	byName := make(map[string]*Action, len(table))
	for _, e := range table {
		byName[e.action] = &Action{Categories: e.categories, Types: e.types, Severity: e.severity, Mapped: true}
	}
	return byName
}
