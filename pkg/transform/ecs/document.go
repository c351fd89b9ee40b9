package ecs

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/object"
)

// typical is how many bytes a document has besides the raw event.
const typical = 1536

// append appends the document of e.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a *object.Allowance) []byte {
	w := writer{object.Writer{Buf: dst, Longest: a.Longest}}
	w.Grow(typical, e.Raw, a)
	document := w.Open("{")
	w.Time(`"@timestamp":`, transform.Time(e))
	w.Raw(c.constant)
	w.account(e)
	roles := c.catalogue.Resolve(e, action)
	w.message(e, action, &roles)
	w.event(e, action, c.module, a)
	var room [object.MaxAddress]byte
	ip := object.AppendAddress(room[:0], e.RemoteIP) // empty if there is none
	w.people(&roles, ip)
	w.addresses(e, ip)
	w.technique(action.Technique)
	w.failure(e)
	c.audit(&w, e, &roles, action, a)
	w.Close(document)
	return w.Buf[:len(w.Buf)-1]
}

// account ends the cloud object, which the constant part begins. The API has only the name
// of an organization. Events that people map by hand may have none.
func (w *writer) account(e *source.Event) {
	if e.Organization == "" {
		w.End()
		return
	}
	w.Raw(`"account":{"id":`)
	begin := len(w.Buf)
	w.Buf = transform.AppendJSON(w.Buf, e.Organization)
	organization := w.Buf[begin:]
	w.Raw(`,"name":`)
	w.Buf = append(w.Buf, organization...)
	w.Raw(`}},"organization":{"name":`)
	w.Buf = append(w.Buf, organization...)
	w.Raw(`},`)
}

// message writes the event in words. It repeats other fields, so it is left out if the limit
// is tight.
func (w *writer) message(e *source.Event, action *transform.Action, r *transform.Roles) {
	if w.Longest < transform.MaxSummary {
		return
	}
	// The buffer holds the text until its member stands behind it, so nothing is allocated.
	begin := len(w.Buf)
	w.Buf = transform.AppendSummary(w.Buf, e, action, r)
	if end := len(w.Buf); end > begin {
		w.Bytes(`"message":`, w.Buf[begin:end])
		w.Buf = append(w.Buf[:begin], w.Buf[end:]...)
	}
}

func (w *writer) event(e *source.Event, action *transform.Action, module string, a *object.Allowance) {
	event := w.Open(`"event":{`)
	if e.Problem == "" {
		w.Raw(`"kind":"event",`)
	} else {
		w.Raw(`"kind":"pipeline_error",`)
	}
	w.words(`"category":`, action.Categories)
	w.words(`"type":`, action.Types)
	w.Text(`"action":`, e.Action)
	w.Text(`"outcome":`, action.Outcome())
	w.Whole(`"id":`, e.ID)
	if e.Number.Given() {
		w.Number(`"sequence":`, int64(e.Number.Sequence))
	}
	w.Raw(module)
	if transform.Storable(e.Read) {
		w.Time(`"created":`, e.Read)
	}
	sum := e.Sum()
	w.Raw(`"hash":"`)
	w.Buf = hex.AppendEncode(w.Buf, sum[:])
	w.Raw(`",`)
	if a.Original && len(e.Raw) > 0 && e.Note == "" { // The raw event would repeat the note.
		w.Bytes(`"original":`, e.Raw)
	}
	w.Close(event)
}

// people writes the actor, the affected user, and all their ids and names, for searches
// that ignore their parts. If roles change, user.target has those before and user.changes
// those after.
func (w *writer) people(r *transform.Roles, ip []byte) {
	actor, target := &r.Actor, &r.User
	user := w.Open(`"user":{`)
	w.person(actor)
	affected := w.Open(`"target":{`)
	w.person(target)
	w.list(`"roles":[`, r.Before)
	if target.Type != "" {
		w.team(&r.Team)
	}
	w.Close(affected)
	changes := w.Open(`"changes":{`)
	w.list(`"roles":[`, r.After)
	w.Close(changes)
	w.Close(user)
	w.team(&r.Team)

	related := w.Open(`"related":{`)
	if len(ip) > 0 {
		w.Raw(`"ip":["`)
		w.Buf = append(w.Buf, ip...)
		w.Raw(`"],`)
	}
	w.list(`"user":[`, actor.ID, actor.Name, target.ID, target.Name)
	w.Close(related)
}

// person writes the members that user and user.target share. The display name is the only
// name that the API has.
func (w *writer) person(p *source.Party) {
	w.Text(`"id":`, p.ID)
	w.Text(`"name":`, p.Name)
	w.Text(`"full_name":`, p.Name)
	if transform.IsEmail(p.Name) {
		w.Text(`"email":`, p.Name)
	}
}

func (w *writer) team(p *source.Party) {
	group := w.Open(`"group":{`)
	w.Text(`"id":`, p.ID)
	w.Text(`"name":`, p.Name)
	w.Close(group)
}

// list writes an array of the texts that are not empty, each once.
func (w *writer) list(key string, texts ...string) {
	begin := w.Open(key)
	first := len(w.Buf)
	for i, text := range texts {
		if !slices.Contains(texts[:i], text) {
			w.Text("", text)
		}
	}
	if len(w.Buf) == first {
		w.Buf = w.Buf[:begin]
		return
	}
	w.EndArray()
}

// addresses writes the actor's address. client repeats source, since Elastic's own
// integrations for audit logs differ in which of the two they fill.
func (w *writer) addresses(e *source.Event, ip []byte) {
	origin := w.Open(`"source":{`)
	w.Text(`"address":`, e.RemoteIP)
	w.ip(ip)
	if e.Origin != nil {
		w.geo(e.Origin)
		w.system(e.Origin)
	}
	w.Close(origin)
	client := w.Open(`"client":{`)
	w.ip(ip)
	w.Close(client)
}

func (w *writer) ip(ip []byte) {
	if len(ip) > 0 {
		w.Plain(`"ip":`, ip)
	}
}

// geo writes the location of the address.
func (w *writer) geo(o *source.Origin) {
	geo := w.Open(`"geo":{`)
	w.Text(`"continent_code":`, o.Continent)
	w.Text(`"country_iso_code":`, o.Country)
	w.Text(`"country_name":`, o.CountryName)
	w.Text(`"region_iso_code":`, o.Region)
	w.Text(`"region_name":`, o.RegionName)
	w.Text(`"city_name":`, o.City)
	w.Text(`"postal_code":`, o.Postal)
	w.Text(`"timezone":`, o.Timezone)
	if o.Latitude != 0 || o.Longitude != 0 {
		w.Raw(`"location":{`)
		w.Float(`"lat":`, o.Latitude)
		w.Float(`"lon":`, o.Longitude)
		w.End()
	}
	w.Close(geo)
}

// system writes the autonomous system of the address.
func (w *writer) system(o *source.Origin) {
	system := w.Open(`"as":{`)
	if o.System != 0 {
		w.Number(`"number":`, int64(o.System))
	}
	holder := w.Open(`"organization":{`)
	w.Text(`"name":`, o.SystemHolder)
	w.Close(holder)
	w.Close(system)
}

// technique writes the technique of MITRE ATT&CK. The name of a sub-technique follows that
// of its technique.
func (w *writer) technique(t transform.Technique) {
	if t.ID == "" {
		return
	}
	id, _, isSub := strings.Cut(t.ID, ".")
	name, subName, _ := strings.Cut(t.Name, ": ")
	w.Raw(`"threat":{"framework":"MITRE ATT&CK","technique":{`)
	w.list(`"id":[`, id)
	w.list(`"name":[`, name)
	if isSub {
		w.Raw(`"subtechnique":{`)
		w.list(`"id":[`, t.ID)
		w.list(`"name":[`, subName)
		w.End()
	}
	w.Buf[len(w.Buf)-1] = '}'
	w.Raw(`},`)
}

func (w *writer) failure(e *source.Event) {
	failure := w.Open(`"error":{`)
	w.Text(`"message":`, e.Problem)
	w.Close(failure)
}

// audit writes the event in its vendor's own terms, and Sluice's marks. The object of the
// action may be either of the two, so it is written a second time as object.
func (c *encoder) audit(w *writer, e *source.Event, r *transform.Roles, action *transform.Action, a *object.Allowance) {
	audit := w.Open(c.vendor)
	w.Whole(`"id":`, e.ID)
	w.Text(`"action":`, e.Verb)
	w.party(`"actor":{`, &source.Party{Type: r.ActorType, ID: e.Actor.ID, Name: e.Actor.Name})
	w.party(c.objects[0], &e.Objects[0])
	w.party(c.objects[1], &e.Objects[1])
	w.party(`"object":{`, &r.Object)
	w.party(`"container":{`, &r.Container)
	w.Text(`"location":`, e.Location)
	if a.Metadata && len(e.Metadata) > 0 {
		w.Bytes(`"metadata":`, e.Metadata)
	}
	w.updated(e.Modified)
	w.marks(e, action, a)
	w.Close(audit)
	w.End()
}

// updated writes a time that is sent as text, unless it is not a time.
func (w *writer) updated(text string) {
	if len(text) < len("2006-01-02T15:04:05Z") {
		return
	}
	if text >= "1970" && timestamp.Canonical(text) { // It is already in the form to write.
		w.Raw(`"updated_at":"`)
		w.Raw(text)
		w.Raw(`",`)
		return
	}
	if t, ok := timestamp.Parse(text); ok && transform.Storable(t) {
		w.Time(`"updated_at":`, t)
	}
}

func (w *writer) party(key string, p *source.Party) {
	party := w.Open(key)
	w.Text(`"type":`, p.Type)
	w.Text(`"id":`, p.ID)
	w.Text(`"name":`, p.Name)
	w.Close(party)
}

// marks writes Sluice's marks. A mark that does not hold is left out.
func (w *writer) marks(e *source.Event, action *transform.Action, a *object.Allowance) {
	w.Number(`"severity":`, int64(action.Severity))
	if e.Number.Given() {
		w.Number(`"epoch":`, int64(e.Number.Epoch))
	}
	if e.Note != "" {
		w.Whole(`"note":`, e.Note)
	}
	w.Mark(`"late":true,`, e.Late)
	w.Mark(`"replayed":true,`, e.Replayed)
	w.Mark(`"own_token":true,`, e.OwnToken)
	w.Mark(`"gap":true,`, e.Gap)
	w.Mark(`"unmapped":true,`, !action.Mapped)
	w.Text(`"problem":`, e.Problem)
	w.Losses(e.Raw, a)
}
