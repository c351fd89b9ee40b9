package transform

import (
	"maps"
	"slices"
)

// typesOf are the values of event.type that ECS 9.4.0 expects with a value of
// event.category, for the categories that an audit log can need.
var typesOf = map[string][]string{
	"api":            {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
	"authentication": {"end", "info", "start"},
	"configuration":  {"access", "change", "creation", "deletion", "info"},
	"database":       {"access", "change", "error", "info"},
	"iam":            {"admin", "change", "creation", "deletion", "group", "info", "user"},
	"process":        {"access", "change", "end", "info", "start"},
	"session":        {"end", "info", "start"},
	"web":            {"access", "error", "info"},
}

// expected reports whether one of the categories expects the type.
func expected(kind string, categories []string) bool {
	return slices.ContainsFunc(categories, func(c string) bool { return slices.Contains(typesOf[c], kind) })
}

// category is a value of event.category.
type category string

func (c *category) UnmarshalText(text []byte) error {
	if _, known := typesOf[string(text)]; !known {
		return unknown("category", slices.Collect(maps.Keys(typesOf)))
	}
	*c = category(text)
	return nil
}

// kind is a value of event.type.
type kind string

func (k *kind) UnmarshalText(text []byte) error {
	all := slices.Concat(slices.Collect(maps.Values(typesOf))...)
	if !slices.Contains(all, string(text)) {
		return unknown("type", all)
	}
	*k = kind(text)
	return nil
}
