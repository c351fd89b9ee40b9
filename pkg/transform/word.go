package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// typesOf are the values of event.type that ECS 9.4.0 expects with each value of
// event.category, of those categories that an audit log can need.
var typesOf = map[string][]string{
	"api":            {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
	"authentication": {"end", "info", "start"},
	"configuration":  {"access", "change", "creation", "deletion", "info"},
	"database":       {"access", "change", "error", "info"},
	"iam":            {"admin", "change", "creation", "deletion", "group", "info", "user"},
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

// attribute is what of an object the from and to of metadata can be about.
type attribute string

func (a *attribute) UnmarshalText(text []byte) error {
	if string(text) != "roles" {
		return unknown("attribute", []string{"roles"})
	}
	*a = attribute(text)
	return nil
}

// activities are those of OCSF 1.8.0 that an action can be, by class.
var activities = map[string]struct {
	uid     int
	numbers map[int]string
}{
	"API Activity": {6003, map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"}},
	"Account Change": {3001, map[int]string{1: "Create", 2: "Enable", 3: "Password Change", 4: "Password Reset", 5: "Disable",
		6: "Delete", 7: "Attach Policy", 8: "Detach Policy", 9: "Lock", 10: "MFA Factor Enable", 11: "MFA Factor Disable", 12: "Unlock"}},
	"Authentication":         {3002, map[int]string{1: "Logon", 2: "Logoff"}},
	"Entity Management":      {3004, map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 8: "Enable", 9: "Disable"}},
	"User Access Management": {3005, map[int]string{1: "Assign Privileges", 2: "Revoke Privileges"}},
	"Group Management": {3006, map[int]string{1: "Assign Privileges", 2: "Revoke Privileges", 3: "Add User", 4: "Remove User",
		5: "Delete", 6: "Create"}},
}

// classes are those by the words of a catalogue, "group_management.add_user".
var classes = func() map[string]Class {
	byWord := map[string]Class{}
	for name, c := range activities {
		for number, activity := range c.numbers {
			byWord[wordOf(name)+"."+wordOf(activity)] = Class{UID: c.uid, Name: name, Activity: number, ActivityName: activity}
		}
	}
	return byWord
}()

func wordOf(caption string) string { return strings.ReplaceAll(strings.ToLower(caption), " ", "_") }

const apiActivity = "api_activity."

// apiWord is an activity of the class API Activity.
type apiWord string

func (a *apiWord) UnmarshalText(text []byte) error {
	if _, known := classes[apiActivity+string(text)]; !known {
		return unknown("activity", []string{"create", "read", "update", "delete", "other"})
	}
	*a = apiWord(text)
	return nil
}

// None takes back the class or the technique that an entry would have otherwise.
const None = "none"

// iamWord is a class and activity of the category IAM, or none.
type iamWord string

func (i *iamWord) UnmarshalText(text []byte) error {
	_, known := classes[string(text)]
	if string(text) != None && (!known || strings.HasPrefix(string(text), apiActivity)) {
		all := []string{None}
		for w := range classes {
			if !strings.HasPrefix(w, apiActivity) {
				all = append(all, w)
			}
		}
		return unknown("class and activity", all)
	}
	*i = iamWord(text)
	return nil
}

func unknown(what string, all []string) error {
	slices.Sort(all)
	return fmt.Errorf("unknown %s; write one of %s", what, strings.Join(slices.Compact(all), ", "))
}
