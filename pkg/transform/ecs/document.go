package ecs

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// typical is how many bytes a document has besides the raw event.
const typical = 1280

// maxAddress is the longest an address can be as text.
const maxAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

// append appends the document of e.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a *allowance) []byte {
	w := writer{buf: dst, longest: a.longest}
	if a.original {
		// JSON within JSON grows by an eighth or so.
		w.buf = slices.Grow(w.buf, typical+len(e.Raw)+len(e.Raw)/8)
	}
	document := w.open("{")
	w.time(`"@timestamp":`, transform.Time(e))
	w.raw(c.constant)
	w.account(e)
	w.event(e, action, a)
	var room [maxAddress]byte
	var ip []byte // as text, empty if there is none
	if addr := transform.Address(e.RemoteIP); addr.IsValid() {
		ip = addr.AppendTo(room[:0])
	}
	roles := transform.Resolve(e, action)
	w.people(&roles, ip)
	w.addresses(e, ip)
	w.technique(action.Technique)
	w.failure(e)
	w.audit(e, &roles, action, a)
	w.close(document)
	return w.buf[:len(w.buf)-1]
}

// account ends the cloud object, which the constant part begins. The API knows
// an organization by its name only; events that people map by hand may have none.
func (w *writer) account(e *source.Event) {
	if e.Organization == "" {
		w.buf[len(w.buf)-1] = '}'
		w.raw(`,`)
		return
	}
	w.raw(`"account":{"id":`)
	begin := len(w.buf)
	w.buf = transform.AppendJSON(w.buf, e.Organization)
	organization := w.buf[begin:]
	w.raw(`,"name":`)
	w.buf = append(w.buf, organization...)
	w.raw(`}},"organization":{"name":`)
	w.buf = append(w.buf, organization...)
	w.raw(`},`)
}

func (w *writer) event(e *source.Event, action *transform.Action, a *allowance) {
	event := w.open(`"event":{`)
	if e.Problem == "" {
		w.raw(`"kind":"event",`)
	} else {
		w.raw(`"kind":"pipeline_error",`)
	}
	w.words(`"category":`, action.Categories)
	w.words(`"type":`, action.Types)
	w.text(`"action":`, e.Action)
	w.text(`"outcome":`, action.Outcome())
	whole(w, `"id":`, e.ID)
	w.raw(`"module":"planetscale","provider":"planetscale","dataset":"` + dataset + `",`)
	if transform.Storable(e.Read) {
		w.time(`"created":`, e.Read)
	}
	sum := sha256.Sum256(e.Raw)
	w.raw(`"hash":"`)
	w.buf = hex.AppendEncode(w.buf, sum[:])
	w.raw(`",`)
	if a.original && len(e.Raw) > 0 {
		whole(w, `"original":`, e.Raw)
	}
	w.close(event)
}

// people writes the actor, whom the event was done to, and everyone by every
// name they have, for searches that do not care about the part they play. Of
// roles that change, user.target has those before and user.changes those after.
func (w *writer) people(r *transform.Roles, ip []byte) {
	actor, target := &r.Actor, &r.User
	user := w.open(`"user":{`)
	w.person(actor)
	affected := w.open(`"target":{`)
	w.person(target)
	w.list(`"roles":[`, r.Before)
	if target.Type != "" {
		w.team(&r.Team)
	}
	w.close(affected)
	changes := w.open(`"changes":{`)
	w.list(`"roles":[`, r.After)
	w.close(changes)
	w.close(user)
	w.team(&r.Team)

	related := w.open(`"related":{`)
	if len(ip) > 0 {
		w.raw(`"ip":["`)
		w.buf = append(w.buf, ip...)
		w.raw(`"],`)
	}
	w.list(`"user":[`, actor.ID, actor.Name, target.ID, target.Name)
	w.close(related)
}

// person writes the members that user and user.target share. A display name is
// all the name there is.
func (w *writer) person(p *source.Party) {
	w.text(`"id":`, p.ID)
	w.text(`"name":`, p.Name)
	w.text(`"full_name":`, p.Name)
	if transform.IsEmail(p.Name) {
		w.text(`"email":`, p.Name)
	}
}

func (w *writer) team(p *source.Party) {
	group := w.open(`"group":{`)
	w.text(`"id":`, p.ID)
	w.text(`"name":`, p.Name)
	w.close(group)
}

// list writes an array of what is not empty, each once.
func (w *writer) list(key string, texts ...string) {
	begin := w.open(key)
	first := len(w.buf)
	for i, text := range texts {
		if !slices.Contains(texts[:i], text) {
			w.text("", text)
		}
	}
	if len(w.buf) == first {
		w.buf = w.buf[:begin]
		return
	}
	w.endArray()
}

// addresses writes where the actor was. client repeats source, since Elastic's
// own integrations for audit logs differ in which of the two they fill.
func (w *writer) addresses(e *source.Event, ip []byte) {
	origin := w.open(`"source":{`)
	w.text(`"address":`, e.RemoteIP)
	w.ip(ip)
	if e.Origin != nil {
		w.geo(e.Origin)
		w.system(e.Origin)
	}
	w.close(origin)
	client := w.open(`"client":{`)
	w.ip(ip)
	w.close(client)
}

func (w *writer) ip(ip []byte) {
	if len(ip) == 0 {
		return
	}
	w.raw(`"ip":"`)
	w.buf = append(w.buf, ip...)
	w.raw(`",`)
}

// geo writes where the address is.
func (w *writer) geo(o *source.Origin) {
	geo := w.open(`"geo":{`)
	w.text(`"continent_code":`, o.Continent)
	w.text(`"country_iso_code":`, o.Country)
	w.text(`"country_name":`, o.CountryName)
	w.text(`"region_iso_code":`, o.Region)
	w.text(`"region_name":`, o.RegionName)
	w.text(`"city_name":`, o.City)
	w.text(`"postal_code":`, o.Postal)
	w.text(`"timezone":`, o.Timezone)
	if o.Latitude != 0 || o.Longitude != 0 {
		w.raw(`"location":{"lat":`)
		w.buf = strconv.AppendFloat(w.buf, o.Latitude, 'f', -1, 64)
		w.raw(`,"lon":`)
		w.buf = strconv.AppendFloat(w.buf, o.Longitude, 'f', -1, 64)
		w.raw(`},`)
	}
	w.close(geo)
}

// system writes who runs the network of the address.
func (w *writer) system(o *source.Origin) {
	system := w.open(`"as":{`)
	if o.System != 0 {
		w.raw(`"number":`)
		w.buf = strconv.AppendUint(w.buf, uint64(o.System), 10)
		w.raw(`,`)
	}
	holder := w.open(`"organization":{`)
	w.text(`"name":`, o.SystemHolder)
	w.close(holder)
	w.close(system)
}

// technique writes what attackers do such things for. The name of a
// sub-technique is behind that of its technique.
func (w *writer) technique(t transform.Technique) {
	if t.ID == "" {
		return
	}
	id, _, isSub := strings.Cut(t.ID, ".")
	name, subName, _ := strings.Cut(t.Name, ": ")
	w.raw(`"threat":{"framework":"MITRE ATT&CK","technique":{`)
	w.list(`"id":[`, id)
	w.list(`"name":[`, name)
	if isSub {
		w.raw(`"subtechnique":{`)
		w.list(`"id":[`, t.ID)
		w.list(`"name":[`, subName)
		w.buf[len(w.buf)-1] = '}'
		w.raw(`,`)
	}
	w.buf[len(w.buf)-1] = '}'
	w.raw(`},`)
}

func (w *writer) failure(e *source.Event) {
	failure := w.open(`"error":{`)
	w.text(`"message":`, e.Problem)
	w.close(failure)
}

// audit writes the event in its vendor's own terms, and Sluice's marks. Which of
// auditable and target is the object of the action differs, so it is named once
// more as what it is.
func (w *writer) audit(e *source.Event, r *transform.Roles, action *transform.Action, a *allowance) {
	w.raw(`"planetscale":{`)
	audit := w.open(`"audit":{`)
	whole(w, `"id":`, e.ID)
	w.text(`"action":`, e.Verb)
	w.party(`"actor":{`, &source.Party{Type: r.ActorType, ID: e.Actor.ID, Name: e.Actor.Name})
	w.party(`"auditable":{`, &e.Auditable)
	w.party(`"target":{`, &e.Target)
	w.party(`"object":{`, &r.Object)
	w.party(`"container":{`, &r.Container)
	w.text(`"location":`, e.Location)
	if a.metadata && len(e.Metadata) > 0 {
		whole(w, `"metadata":`, e.Metadata)
	}
	w.updated(e.Updated)
	w.marks(e, action, a)
	w.close(audit)
	w.buf[len(w.buf)-1] = '}'
	w.raw(`,`)
}

// updated writes a time that is sent as text, unless it is none.
func (w *writer) updated(text string) {
	if len(text) < len("2006-01-02T15:04:05Z") {
		return
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && transform.Storable(t) {
		w.time(`"updated_at":`, t)
	}
}

func (w *writer) party(key string, p *source.Party) {
	party := w.open(key)
	w.text(`"type":`, p.Type)
	w.text(`"id":`, p.ID)
	w.text(`"name":`, p.Name)
	w.close(party)
}

// marks writes what Sluice has to say about the event. A mark that does not
// hold is left out.
func (w *writer) marks(e *source.Event, action *transform.Action, a *allowance) {
	w.raw(`"severity":`)
	w.buf = strconv.AppendInt(w.buf, int64(action.Severity), 10)
	w.raw(`,`)
	w.mark(`"late":true,`, e.Late)
	w.mark(`"gap":true,`, e.Gap)
	w.mark(`"unmapped":true,`, !action.Mapped)
	w.text(`"problem":`, e.Problem)
	if a.original && !utf8.Valid(e.Raw) {
		w.raw(`"original_base64":"`)
		w.buf = base64.StdEncoding.AppendEncode(w.buf, e.Raw)
		w.raw(`",`)
	}
	if a.mark != "" {
		w.raw(`"truncated":`)
		w.raw(a.mark)
		w.raw(`,`)
	}
}

func (w *writer) mark(member string, holds bool) {
	if holds {
		w.raw(member)
	}
}
