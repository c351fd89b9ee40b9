package transform

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Roles are who did what to what. Their order in the event differs between actions, and
// the API's documents contradict each other, so the types of the two objects decide which
// is the object and which its container. A role that an event does not have is zero.
type Roles struct {
	Actor     source.Party // who did it; zero if unknown
	ActorType string       // as the API names it, or SystemActor
	Object    source.Party // what it was done to
	Container source.Party // what the object lies in, or what a member belongs to
	User      source.Party // the affected user: the object itself, its owner, who is invited, or the actor; see Action.Self
	Team      source.Party // the team that is the object or its container

	// Before and After are the values of Action.Changes, empty if the metadata does not
	// have them. They share memory with the event.
	Before, After string
	// Rise is 1 if After is a stronger role than Before, -1 if it is a weaker one, and 0 if
	// the catalogue does not say.
	Rise int
}

// Resolve finds the roles in an event. a is what Lookup returns for its action.
func (c *Catalogue) Resolve(e *source.Event, a *Action) (r Roles) {
	r.ActorType = ActorType(e)
	if Acted(e) {
		r.Actor = e.Actor
	}
	object, container := c.objects(e, a.Object)
	r.Object, r.Container = *object, *container
	r.User, r.Team = affected(e)
	if a.Self && r.User.ID == "" && r.User.Name == "" {
		r.User = r.Actor
	}
	if a.Changes != "" {
		r.Before, r.After = change(e.Metadata)
		r.Rise = c.rise(r.Before, r.After)
	}
	return r
}

// nothing is the object or the container of an event that has none.
var nothing source.Party

// objects tells the object and its container apart. The object has the type that the
// action is about. If neither has it, the object is the one that lies deeper, or else the
// first. But a place that contains things of the wanted type is
// not the object; it is the container.
func (c *Catalogue) objects(e *source.Event, want string) (object, container *source.Party) {
	object, container = &e.Objects[1], &e.Objects[0]
	within, around := c.depth(object.Type), c.depth(container.Type)
	if !alike(object.Type, want) && (alike(container.Type, want) || around >= within) {
		object, container, within, around = container, object, around, within
	}
	if within > 0 && within < c.depth(want) && !alike(object.Type, want) {
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

// depth returns how deep things of a type lie in the source. An unknown type lies deepest.
func (c *Catalogue) depth(kind string) int {
	if kind == "" {
		return 0
	}
	for _, l := range c.orCommon().depths {
		if l.kind == kind {
			return l.depth
		}
	}
	return math.MaxInt
}

// rise compares two roles.
func (c *Catalogue) rise(before, after string) int {
	roles := c.orCommon().entries.Roles
	from, to := slices.Index(roles, before), slices.Index(roles, after)
	if from < 0 || to < 0 {
		return 0
	}
	return cmp.Compare(to, from)
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

// text returns the text of a JSON string, and nothing for any other value.
func text(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	return rawjson.Text(value)
}
