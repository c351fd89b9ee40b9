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

// Entries are the content of a catalogue file, as settings are decoded. A key that
// is not given is zero.
type Entries struct {
	Actions    map[string]Entry `yaml:"actions"`
	Resources  map[string]Rule  `yaml:"resources"`  // for actions without an entry, by what stands before the dot
	Verbs      map[string]Rule  `yaml:"verbs"`      // likewise, by what stands behind it
	Techniques techniques       `yaml:"techniques"` // names of MITRE ATT&CK by id
}

// Entry is what a file says about one action: see Action for what its keys mean.
type Entry struct {
	Rule      `yaml:",inline"`
	Title     string  `yaml:"title"`
	IAM       iamWord `yaml:"iam"`       // such as "group_management.add_user", or None
	Technique string  `yaml:"technique"` // an id, or None
	Alias     string  `yaml:"alias"`     // the action whose entry says what this one does not
	from      string  // the file, if not the built-in one
}

// Rule is what a file says about a resource or a verb, and also about an action.
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

// Validate judges what stands in one rule. A severity comes with its reason, for
// it is the one thing in a catalogue that others will dispute.
func (r *Rule) Validate() []error {
	if r.Severity == nil && r.Reason == "" {
		return nil
	}
	if r.Severity == nil || r.Reason == "" {
		return []error{errors.New("has only one of severity and reason; write both")}
	}
	if *r.Severity < 0 || *r.Severity > 10 {
		return []error{fmt.Errorf("severity %d is none; write a number from 0 to 10", *r.Severity)}
	}
	return nil
}

// Validate judges what stands in one entry besides its rule.
func (e *Entry) Validate() []error {
	var errs []error
	if (len(e.Categories) == 0) != (len(e.Types) == 0) {
		return []error{errors.New("has only one of categories and types, which depend on one another; write both")}
	}
	categories := texts(e.Categories)
	for _, k := range texts(e.Types) {
		// What is no word at all has been told where it stands.
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

// techniques are names by ids.
type techniques map[string]string

var goodTechnique = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// Validate judges the ids. Whether MITRE ever gave one is not known here.
func (t techniques) Validate() []error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(t)) {
		if !goodTechnique.MatchString(id) {
			errs = append(errs, errors.New("a key is no id of a technique; write one such as T1098.001"))
			continue
		}
		if t[id] == "" {
			errs = append(errs, fmt.Errorf("%s has no name; write that of MITRE ATT&CK", id))
		}
	}
	return errs
}

// over lays e over what would hold without it, key by key.
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

// over lays the entries of a file, named for people, over others.
func (e *Entries) over(below *Entries, file string) *Entries {
	merged := &Entries{
		Actions: maps.Clone(below.Actions), Resources: maps.Clone(below.Resources),
		Verbs: maps.Clone(below.Verbs), Techniques: maps.Clone(below.Techniques),
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
	return merged
}
