package ocsf

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/timestamp"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/object"
)

// typical is how many bytes a record has besides the raw event.
const typical = 2560

// maxAddress is the longest an address can be as text.
const maxAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

// append appends the record of e.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a *object.Allowance) []byte {
	w := writer{object.Writer{Buf: dst, Longest: a.Longest}}
	if a.Original {
		// JSON within JSON grows by an eighth or so.
		w.Buf = slices.Grow(w.Buf, typical+len(e.Raw)+len(e.Raw)/8)
	}
	s := c.subject(e, action)
	record := w.Open("{")
	w.Number(`"time":`, transform.Time(e).UnixMilli())
	w.metadata(c.constant, e, action, a)
	w.classify(e, s.class)
	w.Raw(severities[action.Severity])
	w.Mark(`"status_id":1,"status":"Success",`, action.Outcome() == "success")
	w.Text(`"message":`, action.Title)
	w.technique(action.Technique)

	var room [maxAddress]byte
	var ip []byte // as text, empty if there is none
	if addr := transform.Address(e.RemoteIP); addr.IsValid() {
		ip = addr.AppendTo(room[:0])
	}
	w.actor(e)
	w.origin(e, ip)
	w.interfaces(e)
	w.affected(&s)
	w.observables(e, &s, ip)
	w.original(e, a)
	w.unmapped(e, action, &s, a)
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
	w.Text(`"tenant_uid":`, e.Organization)
	if transform.Storable(e.Read) {
		w.Number(`"logged_time":`, e.Read.UnixMilli())
	}
	w.modified(e.Updated)
	w.Mark(`"is_truncated":true,`, a.Mark != "")
	if e.Problem != "" {
		w.Text(`"debug":[`, e.Problem)
		w.EndArray()
	}
	w.Close(metadata)
}

// modified writes a time that is sent as text, unless it is none.
func (w *writer) modified(text string) {
	if len(text) < len("2006-01-02T15:04:05Z") {
		return
	}
	if t, ok := timestamp.Parse(text); ok && transform.Storable(t) {
		w.Number(`"modified_time":`, t.UnixMilli())
	}
}

// interfaces writes what was called, and in which account. The API knows an
// organization by its name only; events that people map by hand may have none.
func (w *writer) interfaces(e *source.Event) {
	w.Raw(`"api":{`)
	if e.Action == "" {
		w.Raw(`"operation":"Unknown",`)
	} else {
		w.Text(`"operation":`, e.Action)
	}
	w.Raw(`"service":{"name":"PlanetScale"}},"cloud":{"provider":"PlanetScale",`)
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

// original writes the raw event, and what identifies it also where it is left out.
func (w *writer) original(e *source.Event, a *object.Allowance) {
	if a.Original && len(e.Raw) > 0 {
		w.Bytes(`"raw_data":`, e.Raw)
	}
	sum := sha256.Sum256(e.Raw)
	w.Raw(`"raw_data_hash":{"algorithm_id":3,"algorithm":"SHA-256","value":"`)
	w.Buf = hex.AppendEncode(w.Buf, sum[:])
	w.Raw(`"},`)
	w.Number(`"raw_data_size":`, int64(len(e.Raw)))
}

// unmapped writes what the schema has no place for, and what Sluice has to say
// about the event. A mark that does not hold is left out.
func (w *writer) unmapped(e *source.Event, action *transform.Action, s *subject, a *object.Allowance) {
	unmapped := w.Open(`"unmapped":{`)
	w.Text(`"action":`, e.Verb)
	w.Text(`"location":`, e.Location)
	if a.Metadata && len(e.Metadata) > 0 {
		w.Bytes(`"metadata":`, e.Metadata)
	}
	if !hasResources(s.class) {
		w.resources(s)
	}
	w.unnamed(e)
	sluice := w.Open(`"sluice":{`)
	w.Number(`"severity":`, int64(action.Severity))
	w.Mark(`"late":true,`, e.Late)
	w.Mark(`"gap":true,`, e.Gap)
	w.Mark(`"unmapped":true,`, !action.Mapped)
	if a.Original && !utf8.Valid(e.Raw) {
		w.Raw(`"original_base64":"`)
		w.Buf = base64.StdEncoding.AppendEncode(w.Buf, e.Raw)
		w.Raw(`",`)
	}
	if a.Mark != "" {
		w.Raw(`"truncated":`)
		w.Raw(a.Mark)
		w.Raw(`,`)
	}
	w.Close(sluice)
	w.Close(unmapped)
}
