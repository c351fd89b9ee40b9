package transform

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Entries are the content of a catalogue file. It is decoded like settings. A key that
// the file does not have is zero.
type Entries struct {
	Actions    map[string]Entry `yaml:"actions"`
	Resources  map[string]Rule  `yaml:"resources"`  // for actions without an entry, by the part before the dot
	Verbs      map[string]Rule  `yaml:"verbs"`      // likewise, by the part after the dot
	Techniques techniques       `yaml:"techniques"` // names of MITRE ATT&CK by id
	Roles      ranks            `yaml:"roles"`      // names of roles, from the weakest to the strongest
	Depths     depths           `yaml:"depths"`     // how deep things of a type lie, 1 for the outermost; other types lie deeper
}

// Entry is what a file sets for one action. See Action for the meaning of its keys.
type Entry struct {
	Rule      `yaml:",inline"`
	Title     string  `yaml:"title"`
	IAM       iamWord `yaml:"iam"`       // such as "group_management.add_user", or None
	Technique string  `yaml:"technique"` // an id, or None
	Alias     string  `yaml:"alias"`     // the action whose entry sets what this one does not
	from      string  // the file, if not the built-in one
}

// Rule is what a file sets for a resource, a verb or an action.
type Rule struct {
	Categories []category `yaml:"categories"`
	Types      []kind     `yaml:"types"`
	API        apiWord    `yaml:"api"` // create, read, update, delete or other
	Object     string     `yaml:"object"`
	Severity   *int       `yaml:"severity"`
	Reason     string     `yaml:"reason"`
	Changes    attribute  `yaml:"changes"` // roles
	Self       bool       `yaml:"self"`
}

// Validate reports the problems of a rule. A severity needs a reason, since others will
// dispute it.
func (r *Rule) Validate() []error {
	if r.Severity == nil && r.Reason == "" {
		return nil
	}
	if r.Severity == nil || r.Reason == "" {
		return []error{errors.New("has only one of severity and reason; write both")}
	}
	if *r.Severity < 0 || *r.Severity > 10 {
		return []error{fmt.Errorf("severity %d is out of range; write a number from 0 to 10", *r.Severity)}
	}
	return nil
}

// Validate reports the problems of an entry besides those of its rule.
func (e *Entry) Validate() []error {
	var errs []error
	if (len(e.Categories) == 0) != (len(e.Types) == 0) {
		return []error{errors.New("has only one of categories and types, which depend on one another; write both")}
	}
	categories := texts(e.Categories)
	for _, k := range texts(e.Types) {
		// An unknown word is empty, and was reported when it was decoded.
		if k != "" && !slices.Contains(categories, "") && !expected(k, categories) {
			errs = append(errs, fmt.Errorf("type %s is not expected by any of the categories %s (ECS); change one of them", k, strings.Join(categories, ", ")))
		}
	}
	return errs
}

func texts[T ~string](words []T) []string {
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	return all
}

// attribute is an attribute whose values from and to in the metadata can be.
type attribute string

func (a *attribute) UnmarshalText(text []byte) error {
	if string(text) != "roles" {
		return unknown("attribute", []string{"roles"})
	}
	*a = attribute(text)
	return nil
}

func unknown(what string, all []string) error {
	slices.Sort(all)
	return fmt.Errorf("unknown %s; write one of %s", what, strings.Join(slices.Compact(all), ", "))
}

// techniques are names by id.
type techniques map[string]string

var goodTechnique = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// Validate reports malformed ids and missing names. It does not know the ids of MITRE.
func (t techniques) Validate() []error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(t)) {
		if !goodTechnique.MatchString(id) {
			errs = append(errs, errors.New("a key is not the id of a technique; write one such as T1098.001"))
			continue
		}
		if t[id] == "" {
			errs = append(errs, fmt.Errorf("%s has no name; write the one that MITRE ATT&CK gives it", id))
		}
	}
	return errs
}

// ranks are names in an order.
type ranks []string

// Validate reports names that are empty or occur twice.
func (r ranks) Validate() []error {
	for i, name := range r {
		if name == "" || slices.Contains(r[:i], name) {
			return []error{fmt.Errorf("role %d is empty or occurs twice; write each role once, from the weakest to the strongest", i+1)}
		}
	}
	return nil
}

// depths are numbers by type.
type depths map[string]int

// Validate reports a depth below 1.
func (d depths) Validate() []error {
	for _, kind := range slices.Sorted(maps.Keys(d)) {
		if d[kind] < 1 {
			return []error{fmt.Errorf("a depth is %d; write 1 for the outermost type, and a larger number for a type within it", d[kind])}
		}
	}
	return nil
}

// over returns e. What it does not set is taken from below.
func (e Entry) over(below Entry) Entry {
	e.Rule = e.Rule.over(below.Rule)
	e.Title = cmp.Or(e.Title, below.Title)
	e.IAM = cmp.Or(e.IAM, below.IAM)
	e.Technique = cmp.Or(e.Technique, below.Technique)
	e.Alias = cmp.Or(e.Alias, below.Alias)
	return e
}

func (r Rule) over(below Rule) Rule {
	if len(r.Categories) == 0 {
		r.Categories = below.Categories
	}
	if len(r.Types) == 0 {
		r.Types = below.Types
	}
	r.API = cmp.Or(r.API, below.API)
	r.Object = cmp.Or(r.Object, below.Object)
	r.Severity = cmp.Or(r.Severity, below.Severity)
	r.Reason = cmp.Or(r.Reason, below.Reason)
	r.Changes = cmp.Or(r.Changes, below.Changes)
	r.Self = r.Self || below.Self
	return r
}

// over returns the entries below, overridden by those of a file. Its name is for people.
func (e *Entries) over(below *Entries, file string) *Entries {
	merged := &Entries{
		Actions: maps.Clone(below.Actions), Resources: maps.Clone(below.Resources),
		Verbs: maps.Clone(below.Verbs), Techniques: maps.Clone(below.Techniques), Depths: maps.Clone(below.Depths),
	}
	for name, entry := range e.Actions {
		entry.from = file
		merged.Actions[name] = entry.over(below.Actions[name])
	}
	for name, rule := range e.Resources {
		merged.Resources[name] = rule.over(below.Resources[name])
	}
	for name, rule := range e.Verbs {
		merged.Verbs[name] = rule.over(below.Verbs[name])
	}
	maps.Copy(merged.Techniques, e.Techniques)
	if merged.Depths == nil {
		merged.Depths = depths{}
	}
	maps.Copy(merged.Depths, e.Depths)
	if merged.Roles = e.Roles; len(e.Roles) == 0 {
		merged.Roles = below.Roles
	}
	return merged
}
