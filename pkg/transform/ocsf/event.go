package ocsf

import (
	"cmp"
	"encoding/hex"

	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/object"
)

// typical is how many bytes a record has besides the raw event.
const typical = 2560

// append appends the record of e.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a *object.Allowance) []byte {
	w := writer{object.Writer{Buf: dst, Longest: a.Longest}}
	w.Grow(typical, e.Raw, a)
	s := c.subject(e, action)
	record := w.Open("{")
	w.Number(`"time":`, transform.Time(e).UnixMilli())
	w.metadata(c.constant, e, action, a)
	w.classify(e, s.class)
	w.Raw(severities[action.Severity])
	w.Mark(`"status_id":1,"status":"Success",`, action.Outcome() == "success")
	w.Text(`"message":`, cmp.Or(e.Text, action.Title))
	w.technique(action.Technique)

	var room [object.MaxAddress]byte
	ip := object.AppendAddress(room[:0], e.RemoteIP) // empty if there is none
	w.actor(e, c.product)
	w.origin(e, ip, c.product)
	w.interfaces(e, c.service)
	w.affected(&s, c.signIn)
	w.observables(e, &s, ip)
	w.original(e, a)
	c.unmapped(&w, e, action, &s, a)
	w.Close(record)
	return w.Buf[:len(w.Buf)-1]
}

func (w *writer) metadata(constant string, e *source.Event, action *transform.Action, a *object.Allowance) {
	metadata := w.Open(`"metadata":{`)
	w.Raw(constant)
	if action.Technique.ID == "" {
		w.Raw(`"profiles":["cloud"],`)
	} else {
		w.Raw(`"profiles":["cloud","security_control"],`)
	}
	w.Whole(`"uid":`, e.ID)
	w.Text(`"event_code":`, e.Action)
	if e.Number.Given() {
		w.Number(`"sequence":`, int64(e.Number.Sequence))
		w.Whole(`"tenant_uid":`, e.Organization) // A leaf binds it.
	} else {
		w.Text(`"tenant_uid":`, e.Organization)
	}
	if transform.Storable(e.Read) {
		w.Number(`"logged_time":`, e.Read.UnixMilli())
	}
	w.modified(e.Modified)
	w.Mark(`"is_truncated":true,`, a.Mark != "")
	if e.Problem != "" {
		w.Text(`"debug":[`, e.Problem)
		w.EndArray()
	}
	w.Close(metadata)
}

// modified writes a time that is sent as text, unless it is not a time.
func (w *writer) modified(text string) {
	if len(text) < len("2006-01-02T15:04:05Z") {
		return
	}
	if t, ok := timestamp.Parse(text); ok && transform.Storable(t) {
		w.Number(`"modified_time":`, t.UnixMilli())
	}
}

// interfaces writes the API and the account. The API has only the name of an organization.
// Events that people map by hand may have none.
func (w *writer) interfaces(e *source.Event, service string) {
	w.Raw(`"api":{`)
	if e.Action == "" {
		w.Raw(`"operation":"Unknown",`)
	} else {
		w.Text(`"operation":`, e.Action)
	}
	w.Raw(service)
	if e.Organization == "" {
		w.End()
		return
	}
	w.Text(`"account":{"uid":`, e.Organization)
	w.Text(`"name":`, e.Organization)
	w.End()
	w.Text(`"org":{"name":`, e.Organization)
	w.End()
	w.End()
}

// original writes the raw event, and its hash and size even if it is left out.
func (w *writer) original(e *source.Event, a *object.Allowance) {
	if a.Original && len(e.Raw) > 0 && e.Note == "" { // The raw event would repeat the note.
		w.Bytes(`"raw_data":`, e.Raw)
	}
	sum := e.Sum()
	w.Raw(`"raw_data_hash":{"algorithm_id":3,"algorithm":"SHA-256","value":"`)
	w.Buf = hex.AppendEncode(w.Buf, sum[:])
	w.Raw(`"},`)
	w.Number(`"raw_data_size":`, int64(len(e.Raw)))
}

// evidence writes a record's number and its note. A leaf binds the ids of the objects in
// their order, so that is written if resources have another one.
func (w *writer) evidence(e *source.Event, s *subject) {
	if e.Note != "" {
		w.Whole(`"note":`, e.Note)
	}
	if !e.Number.Given() {
		return
	}
	w.Number(`"epoch":`, int64(e.Number.Epoch))
	var stated [2]string
	n := 0
	for _, p := range s.resources {
		if named(p) {
			stated[n] = p.ID
			n++
		}
	}
	if stated[0] != e.Objects[0].ID || stated[1] != e.Objects[1].ID {
		w.Raw(`"objects":[`)
		w.Whole("", e.Objects[0].ID)
		w.Whole("", e.Objects[1].ID)
		w.EndArray()
	}
}

// unmapped writes what has no place in the schema, and Sluice's marks. A mark that does not
// hold is left out.
func (c *encoder) unmapped(w *writer, e *source.Event, action *transform.Action, s *subject, a *object.Allowance) {
	unmapped := w.Open(`"unmapped":{`)
	w.Text(`"action":`, e.Verb)
	w.Text(`"location":`, e.Location)
	if a.Metadata && len(e.Metadata) > 0 {
		w.Bytes(`"metadata":`, e.Metadata)
	}
	if !hasResources(s.class) {
		w.resources(s)
	}
	w.unnamed(e, &c.kinds)
	sluice := w.Open(`"sluice":{`)
	w.Number(`"severity":`, int64(action.Severity))
	w.evidence(e, s)
	w.Mark(`"late":true,`, e.Late)
	w.Mark(`"replayed":true,`, e.Replayed)
	w.Mark(`"own_token":true,`, e.OwnToken)
	w.Mark(`"gap":true,`, e.Gap)
	w.Mark(`"unmapped":true,`, !action.Mapped)
	w.Losses(e.Raw, a)
	w.Close(sluice)
	w.Close(unmapped)
}
