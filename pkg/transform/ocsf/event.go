package ocsf

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// typical is how many bytes a record has besides the raw event.
const typical = 2560

// maxAddress is the longest an address can be as text.
const maxAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

// append appends the record of e.
func (c *encoder) append(dst []byte, e *source.Event, action *transform.Action, a *allowance) []byte {
	w := writer{buf: dst, longest: a.longest}
	if a.original {
		// JSON within JSON grows by an eighth or so.
		w.buf = slices.Grow(w.buf, typical+len(e.Raw)+len(e.Raw)/8)
	}
	s := c.subject(e, action)
	record := w.open("{")
	w.number(`"time":`, transform.Time(e).UnixMilli())
	w.metadata(c.constant, e, action, a)
	w.classify(e, s.class)
	w.raw(severities[action.Severity])
	w.mark(`"status_id":1,"status":"Success",`, action.Outcome() == "success")
	w.text(`"message":`, action.Title)
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
	w.close(record)
	return w.buf[:len(w.buf)-1]
}

func (w *writer) metadata(constant string, e *source.Event, action *transform.Action, a *allowance) {
	metadata := w.open(`"metadata":{`)
	w.raw(constant)
	if action.Technique.ID == "" {
		w.raw(`"profiles":["cloud"],`)
	} else {
		w.raw(`"profiles":["cloud","security_control"],`)
	}
	whole(w, `"uid":`, e.ID)
	w.text(`"event_code":`, e.Action)
	w.text(`"tenant_uid":`, e.Organization)
	if transform.Storable(e.Read) {
		w.number(`"logged_time":`, e.Read.UnixMilli())
	}
	w.modified(e.Updated)
	w.mark(`"is_truncated":true,`, a.mark != "")
	if e.Problem != "" {
		w.text(`"debug":[`, e.Problem)
		w.endArray()
	}
	w.close(metadata)
}

// modified writes a time that is sent as text, unless it is none.
func (w *writer) modified(text string) {
	if len(text) < len("2006-01-02T15:04:05Z") {
		return
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && transform.Storable(t) {
		w.number(`"modified_time":`, t.UnixMilli())
	}
}

// interfaces writes what was called, and in which account. The API knows an
// organization by its name only; events that people map by hand may have none.
func (w *writer) interfaces(e *source.Event) {
	w.raw(`"api":{`)
	if e.Action == "" {
		w.raw(`"operation":"Unknown",`)
	} else {
		w.text(`"operation":`, e.Action)
	}
	w.raw(`"service":{"name":"PlanetScale"}},"cloud":{"provider":"PlanetScale",`)
	if e.Organization == "" {
		w.end()
		return
	}
	w.text(`"account":{"uid":`, e.Organization)
	w.text(`"name":`, e.Organization)
	w.end()
	w.text(`"org":{"name":`, e.Organization)
	w.end()
	w.end()
}

// original writes the raw event, and what identifies it also where it is left out.
func (w *writer) original(e *source.Event, a *allowance) {
	if a.original && len(e.Raw) > 0 {
		whole(w, `"raw_data":`, e.Raw)
	}
	sum := sha256.Sum256(e.Raw)
	w.raw(`"raw_data_hash":{"algorithm_id":3,"algorithm":"SHA-256","value":"`)
	w.buf = hex.AppendEncode(w.buf, sum[:])
	w.raw(`"},`)
	w.number(`"raw_data_size":`, int64(len(e.Raw)))
}

// unmapped writes what the schema has no place for, and what Sluice has to say
// about the event. A mark that does not hold is left out.
func (w *writer) unmapped(e *source.Event, action *transform.Action, s *subject, a *allowance) {
	unmapped := w.open(`"unmapped":{`)
	w.text(`"action":`, e.Verb)
	w.text(`"location":`, e.Location)
	if a.metadata && len(e.Metadata) > 0 {
		whole(w, `"metadata":`, e.Metadata)
	}
	if !hasResources(s.class) {
		w.resources(s)
	}
	w.unnamed(e)
	sluice := w.open(`"sluice":{`)
	w.number(`"severity":`, int64(action.Severity))
	w.mark(`"late":true,`, e.Late)
	w.mark(`"gap":true,`, e.Gap)
	w.mark(`"unmapped":true,`, !action.Mapped)
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
	w.close(sluice)
	w.close(unmapped)
}
