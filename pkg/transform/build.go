package transform

import (
	"maps"
	"slices"
)

// anything is the name of the rule for every name that has no rule.
const anything = "*"

func newCatalogue(e *Entries) *Catalogue {
	c := &Catalogue{entries: e, actions: make(map[string]*Action, len(e.Actions))}
	c.rule()
	for kind, depth := range e.Depths {
		c.depths = append(c.depths, layer{kind, depth})
	}
	for name := range e.Actions {
		c.actions[name] = c.action(name)
	}
	// If several entries are aliases of one action, it gets the first of their names.
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(e.Actions))) {
		if other := c.actions[e.Actions[name].Alias]; other != nil {
			other.Alias = name
		}
	}
	for name, entry := range e.Actions {
		if entry.Alias != "" {
			c.actions[name].Alias = entry.Alias
		}
	}
	return c
}

// rule makes the table of the actions that the rules describe.
func (c *Catalogue) rule() {
	c.resources = rows(c.entries.Resources)
	c.verbs = rows(c.entries.Verbs)
	c.ruled = make([][]Action, len(c.resources))
	for resource, i := range c.resources {
		c.ruled[i] = make([]Action, len(c.verbs))
		for verb, j := range c.verbs {
			c.ruled[i][j] = combine(c.entries.Resources[resource].over(c.entries.Resources[anything]),
				c.entries.Verbs[verb].over(c.entries.Verbs[anything]))
			c.ruled[i][j].Rule = "no entry; resource " + resource + ", verb " + verb
		}
	}
}

// rows numbers the rules. The rule for anything is 0.
func rows(rules map[string]Rule) map[string]int {
	numbers := map[string]int{anything: 0}
	for name := range rules {
		if name != anything {
			numbers[name] = len(numbers)
		}
	}
	return numbers
}

// combine makes an action from the rules of its resource and its verb. The verb's
// categories, if it has any, replace those of the resource: a verb about members or
// sign-in decides what kind of event it is.
func combine(resource, verb Rule) Action {
	var a Action
	a.apply(resource)
	a.apply(verb)
	a.Types = nil
	for _, kind := range slices.Concat(texts(verb.Types), texts(resource.Types)) {
		if expected(kind, a.Categories) && !slices.Contains(a.Types, kind) {
			a.Types = append(a.Types, kind)
		}
	}
	if !expected(string(verb.Types[0]), a.Categories) {
		a.Types = slices.Insert(a.Types, 0, "info")
	}
	if resource.Severity != nil && *resource.Severity > a.Severity {
		a.Severity, a.Reason = *resource.Severity, resource.Reason
	}
	return a
}

// action describes an action that has an entry. What its entry does not set is taken
// from the entry of its alias, and else from the rules.
func (c *Catalogue) action(name string) *Action {
	a := *c.byRules(name)
	entry := c.entries.Actions[name]
	for _, e := range c.lineage(name) {
		a.apply(e.Rule)
		c.add(&a, e)
	}
	a.Mapped = true
	a.Rule = "entry " + name
	if entry.Alias != "" {
		a.Rule += ", alias of " + entry.Alias
	}
	if entry.from != "" {
		a.Rule += ", changed by " + entry.from
	}
	return &a
}

// lineage returns the entry of an action, and before it those of its alias, the alias of
// that, and so on. It ends where aliases form a circle.
func (c *Catalogue) lineage(name string) []Entry {
	var entries []Entry
	for seen := map[string]bool{}; name != "" && !seen[name]; name = c.entries.Actions[name].Alias {
		seen[name] = true
		entries = slices.Insert(entries, 0, c.entries.Actions[name])
	}
	return entries
}

// apply sets what a rule sets.
func (a *Action) apply(r Rule) {
	if len(r.Categories) > 0 {
		a.Categories = texts(r.Categories)
	}
	if len(r.Types) > 0 {
		a.Types = texts(r.Types)
	}
	if r.API != "" {
		a.API = classes[apiActivity+string(r.API)]
	}
	if r.Object != "" {
		a.Object = r.Object
	}
	if r.Severity != nil {
		a.Severity, a.Reason = *r.Severity, r.Reason
	}
	if r.Changes != "" {
		a.Changes = string(r.Changes)
	}
	a.Self = a.Self || r.Self
}

// add sets what an entry sets besides its rule.
func (c *Catalogue) add(a *Action, e Entry) {
	if e.Title != "" {
		a.Title = e.Title
	}
	if e.IAM != "" {
		a.IAM = classes[string(e.IAM)] // None has no class: that clears it.
	}
	if e.Technique != "" {
		a.Technique = Technique{}
	}
	if name, known := c.entries.Techniques[e.Technique]; known {
		a.Technique = Technique{ID: e.Technique, Name: name}
	}
}
