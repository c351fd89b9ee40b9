package transform

import (
	"strings"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Roles say who did what to what. Which of auditable and target is the object
// and which its container differs from action to action, and the API's own
// documents contradict one another, so their types decide. What an event does not
// tell is zero.
type Roles struct {
	Actor     source.Party // who did it; zero unless somebody is known to have
	ActorType string       // as the API names it, or SystemActor
	Object    source.Party // what it was done to
	Container source.Party // what the object lies in, or what a member belongs to
	User      source.Party // whom it was done to: the object itself, its owner, or who did it to himself
	Team      source.Party // the team that is the object or its container

	// Before and After are the values of Action.Changes, empty if the metadata does
	// not tell them. They share memory with the event.
	Before, After string
}

// Resolve finds the roles in an event, given what the catalogue has of its action.
func Resolve(e *source.Event, a *Action) (r Roles) {
	r.ActorType = ActorType(e)
	if Acted(e) {
		r.Actor = e.Actor
	}
	object, container := objects(e, a.Object)
	r.Object, r.Container = *object, *container
	r.User, r.Team = affected(e)
	if a.Self && r.User.ID == "" && r.User.Name == "" {
		r.User = r.Actor
	}
	if a.Changes != "" {
		r.Before, r.After = change(e.Metadata)
	}
	return r
}

// nothing is the object, or the container, of an event that names none.
var nothing source.Party

// objects tells the object and its container apart: the object is what has the
// type that the action is about. Where neither has, it is what lies deeper, or
// the auditable; but a place that things of the wanted type lie in is not taken
// for one of them.
func objects(e *source.Event, want string) (object, container *source.Party) {
	object, container = &e.Target, &e.Auditable
	within, around := depth(object.Type), depth(container.Type)
	if !alike(object.Type, want) && (alike(container.Type, want) || around >= within) {
		object, container, within, around = container, object, around, within
	}
	if within > 0 && within < depth(want) && !alike(object.Type, want) {
		return &nothing, object
	}
	if around > within || container.Type == "User" {
		container = &nothing
	}
	return object, container
}

// alike reports whether two types mean the same: they are equal, or one is the
// other without the words in front, as Branch is of DatabaseBranch.
func alike(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	return len(b) >= len("Role") && strings.HasSuffix(a, b)
}

// depth says how deep in an organization things of a type lie. Of a type that is
// not known, nothing is known to lie within.
func depth(kind string) int {
	switch kind {
	case "":
		return 0
	case "Organization":
		return 1
	case "Database", "OrganizationTeam", "Team":
		return 2
	case "DatabaseBranch", "Branch", "DeployRequest", "DatabaseDeployRequest":
		return 3
	}
	return 4
}

// change reads the members "from" and "to" of metadata, if they are strings.
func change(metadata []byte) (from, to string) {
	i := rawjson.Space(metadata, 0)
	if i >= len(metadata) || metadata[i] != '{' {
		return "", ""
	}
	for i, more := i+1, true; more; {
		key, value, ok := rawjson.Member(metadata, i)
		if !ok {
			break
		}
		end := rawjson.Value(metadata, value)
		switch string(key) {
		case `"from"`:
			from = text(metadata[value:end])
		case `"to"`:
			to = text(metadata[value:end])
		}
		i, more = rawjson.Next(metadata, end)
	}
	return from, to
}

// text is what a JSON value means if it is a string, and empty otherwise.
func text(value []byte) string {
	switch {
	case len(value) < 2 || value[0] != '"':
		return ""
	case rawjson.Plain(value):
		return unsafe.String(&value[1], len(value)-2) // Events are never changed.
	}
	return string(rawjson.Unquote(nil, value))
}
