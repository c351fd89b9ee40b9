package config

import "strings"

// Section is a part of the reference as a page shows it.
type Section struct {
	Kind string // "state", "source", "sink" or "format"; empty for what every configuration has
	Name string // of the type or the format
	Note string // what differs from other types
	Rows []Row  // none: there are no settings
}

// Row is a key as a table shows it, in plain text.
type Row struct {
	Key      string // such as "sasl.token", below the key settings if the section has a name
	Type     string
	Values   []string // all values, if they can be listed
	Default  string   // as a file would have it; empty if there is none
	Presence string   // in words: the default, or when the key must be there
	Meaning  string
}

// Sections returns the reference in the order in which a person reads it.
func (r Reference) Sections() []Section {
	all := []Section{{Rows: r.Top.rows("")}}
	for _, group := range []struct {
		kind  string
		parts []Part
	}{{"source", r.Sources}, {"sink", r.Sinks}, {"format", r.Formats}, {"state", r.States}} {
		for _, p := range group.parts {
			section := Section{Kind: group.kind, Name: p.Name, Rows: p.Settings.rows("")}
			if len(p.Without) > 0 {
				section.Note = "With this type, the default of " + strings.Join(p.Without, " and ") + " is false."
			}
			all = append(all, section)
		}
	}
	return all
}

// rows returns the keys of a mapping, and the keys within them.
func (s *Setting) rows(prefix string) (rows []Row) {
	for _, k := range s.Keys {
		if k.Kind == Never {
			continue
		}
		row := Row{Key: prefix + k.Key, Type: k.kind(), Values: k.Form.Values, Default: k.Default, Presence: k.presence(), Meaning: k.Doc}
		if k.Kind == Secret {
			row.Key += ", " + prefix + k.Key + "_file"
		}
		rows = append(rows, row)
		inner, at := &k, prefix+k.Key+"."
		for inner.Item != nil {
			inner, at = inner.Item, strings.TrimSuffix(at, ".")+"[]."
		}
		rows = append(rows, inner.rows(at)...)
	}
	return rows
}

// kind names a kind of value.
func (s *Setting) kind() string {
	switch {
	case s.Kind == Secret:
		return "secret"
	case s.Kind == Switch:
		return "true or false"
	case s.Kind == Whole:
		return "whole number"
	case s.Kind == Number:
		return "number"
	case s.Kind == Mapping:
		return "keys"
	case s.Kind == Map:
		return "keys with " + s.Item.kind()
	case s.Kind == List:
		return "list of " + s.Item.kind()
	case s.Form.Name != "":
		return s.Form.Name
	}
	return "text"
}

// presence says in words what holds without the key.
func (s *Setting) presence() string {
	word, of, _ := strings.Cut(s.Required, " ")
	switch word {
	case "true":
		return "required"
	case "with":
		return "required with " + of
	case "unless":
		return "required, unless there is " + of
	case "if":
		key, values, _ := strings.Cut(of, "=")
		return "required if " + key + " is " + strings.Join(strings.Split(values, "|"), " or ")
	}
	if s.Default != "" {
		return ""
	}
	return s.InWords
}
