package verify

import (
	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// A leaf binds a fact at one place of a record. A record of ECS states most facts at several
// places, and some that no leaf binds. Searches read any of them, so none may say another
// thing.

// ecsCopies are pairs of fields that say the same where both are there.
var ecsCopies = []struct {
	a, b   field
	name   string
	second string // name of b, within the vendor's own object where it is there
}{
	{ecsID, ownID, "event.id", "id"},
	{ecsUser, ownActor, "user.id", "actor.id"},
	{ecsUserName, ownActorName, "user.name", "actor.name"},
	{ecsUserFullName, ownActorName, "user.full_name", "actor.name"},
	{ecsAddress, ecsClient, "source.ip", "client.ip"},
	{ecsOrganization, ecsAccount, "organization.name", "cloud.account.id"},
}

// copies compares fields that are both there.
func (d denial) copies(o *object) {
	for _, c := range ecsCopies {
		if o.values[c.a].there && o.values[c.b].there && o.text(c.a) != o.text(c.b) {
			d.says("%s is %.100q, and %s is %.100q", c.name, o.text(c.a), c.second, o.text(c.b))
		}
	}
}

// ecsEchoes are the fields that say what the original event says. What the catalogue of
// actions adds is not among them, since a user may have another one.
var ecsEchoes = []struct {
	field field
	name  string
	of    func(*source.Event) string
}{
	{ecsID, "event.id", func(e *source.Event) string { return e.ID }},
	{ecsAction, "event.action", func(e *source.Event) string { return e.Action }},
	{ecsUser, "user.id", func(e *source.Event) string { return actor(e).ID }},
	{ecsUserName, "user.name", func(e *source.Event) string { return actor(e).Name }},
	{ecsUserFullName, "user.full_name", func(e *source.Event) string { return actor(e).Name }},
	{ecsAddressText, "source.address", func(e *source.Event) string { return e.RemoteIP }},
	{ownActor, "actor.id", func(e *source.Event) string { return e.Actor.ID }},
	{ownActorName, "actor.name", func(e *source.Event) string { return e.Actor.Name }},
	{ownVerb, "action", func(e *source.Event) string { return e.Verb }},
	{ownLocation, "location", func(e *source.Event) string { return e.Location }},
	{ownMetadata, "metadata", func(e *source.Event) string { return string(e.Metadata) }},
	{ownFirst, "id of the first object", func(e *source.Event) string { return e.Objects[0].ID }},
	{ownFirstType, "type of the first object", func(e *source.Event) string { return e.Objects[0].Type }},
	{ownFirstName, "name of the first object", func(e *source.Event) string { return e.Objects[0].Name }},
	{ownSecond, "id of the second object", func(e *source.Event) string { return e.Objects[1].ID }},
	{ownSecondType, "type of the second object", func(e *source.Event) string { return e.Objects[1].Type }},
	{ownSecondName, "name of the second object", func(e *source.Event) string { return e.Objects[1].Name }},
}

// actor returns who is user in a record: nobody if the product itself acted.
func actor(e *source.Event) source.Party {
	if transform.Acted(e) {
		return e.Actor
	}
	return source.Party{}
}

// echoes reads the original event anew, and compares what the record says of it. A field
// that is not there says nothing wrong.
func (d denial) echoes(o *object, kind *source.Type, raw []byte) {
	if raw == nil || d.Facts.Form != evidence.Whole || d.Note != "" {
		return
	}
	events, err := kind.Parse(raw, d.Facts.Organization)
	if err != nil || len(events) != 1 {
		d.says("the original is no event: %v", err)
		return
	}
	for _, f := range ecsEchoes {
		v := o.values[f.field]
		if want := f.of(&events[0]); v.there && v.text != want && v.text != clean(want) {
			d.says("%s is %.100q, and the original event says %.100q", f.name, v.text, want)
		}
	}
}

// clean returns a text as JSON can hold it.
func clean(text string) string { return string([]rune(text)) }
