package transform

import "strings"

// Class is a class of OCSF and an activity of it, each with its number and its caption in
// the schema. The category is UID/1000.
type Class struct {
	UID          int
	Name         string // such as "Group Management"
	Activity     int
	ActivityName string // such as "Add User"
}

// activities are the activities of OCSF 1.8.0 that an action can be, by class.
var activities = map[string]struct {
	uid     int
	numbers map[int]string
}{
	"API Activity": {6003, map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"}},
	"Account Change": {3001, map[int]string{1: "Create", 2: "Enable", 3: "Password Change", 4: "Password Reset", 5: "Disable",
		6: "Delete", 7: "Attach Policy", 8: "Detach Policy", 9: "Lock", 10: "MFA Factor Enable", 11: "MFA Factor Disable", 12: "Unlock"}},
	"Authentication":         {3002, map[int]string{1: "Logon", 2: "Logoff"}},
	"Entity Management":      {3004, map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 8: "Enable", 9: "Disable"}},
	"User Access Management": {3005, map[int]string{1: "Assign Privileges", 2: "Revoke Privileges", 99: "Other"}},
	"Group Management": {3006, map[int]string{1: "Assign Privileges", 2: "Revoke Privileges", 3: "Add User", 4: "Remove User",
		5: "Delete", 6: "Create"}},
}

// classes are the classes by their words in a catalogue, "group_management.add_user".
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

// None in an entry clears the class or the technique that it would otherwise inherit.
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
