// Package ecs encodes events as documents of the Elastic Common Schema 9.4.0,
// one JSON object on one line.
//
// # What is where
//
// The event is event.*, with the API's audit_action verbatim as event.action;
// who did it is user.*, what it was done to user.target.* or group.* where that
// is a person or a team. ECS has no generic object: what it was done to, and what
// that lies in, are planetscale.audit.{object,container}.*, and what the API
// calls them planetscale.audit.{auditable,target}.*. An event without an actor
// has no user.*, and planetscale.audit.actor.type "System". Where a role changes,
// user.target.roles is the one before and user.changes.roles the one after.
//
// threat.* is the technique of MITRE ATT&CK that attackers use the action for,
// where the catalogue names one. source.geo.* and source.as.* come from
// enrichment.
//
// The raw event is event.original (left out on request) and its SHA-256 in hex
// is event.hash, always over the API's bytes. Where those are not valid UTF-8,
// event.original carries U+FFFD in their place and
// planetscale.audit.original_base64 the bytes.
//
// An event of which something could not be read has event.kind
// "pipeline_error", error.message and planetscale.audit.problem. Further marks
// under planetscale.audit are late, gap (the event is Sluice's own and tells
// that others are missing), unmapped (the catalogue does not know the action)
// and truncated (an array that names what was left out or shortened to fit).
// planetscale.audit.severity is Sluice's; PlanetScale states none, and
// event.severity is for the source's.
//
// # Nothing that an index refuses
//
// Elasticsearch refuses a whole document for one field that does not fit its
// mapping, so nothing here depends on what a user of the source typed:
//
//   - metadata is one field, planetscale.audit.metadata, a string that holds
//     JSON. A flattened field would refuse an array or a scalar, and a document
//     nested more than 20 deep; objects mapped dynamically would conflict with
//     one another and multiply fields without bound.
//   - source.ip, client.ip and related.ip are there only if the address is one.
//     source.address carries what was sent.
//   - planetscale.audit.updated_at is there only if it is a time.
//   - event.category and event.type are arrays that agree with one another.
package ecs

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/object"
)

const (
	name      = "ecs"
	mediaType = "application/json"
	version   = "9.4.0" // of the schema
	dataset   = "planetscale.audit"
)

// Format is the format "ecs".
var Format = transform.NewFormat(name, mediaType, struct{}{}, open).ExplainedBy(transform.ExplainJSON(rules)).AtLeast(3 << 10)

// encoder holds what is the same in every document.
type encoder struct {
	constant   string // members that depend on the options alone, each with a comma
	allowances []object.Allowance
	limit      int

	catalogue *transform.Catalogue
}

func open(o transform.Options, _ struct{}) (transform.Transformer, error) {
	limit, err := o.Limit()
	if err != nil {
		return nil, fmt.Errorf("ecs: %w", err)
	}
	original := "event.original"
	if !o.Original {
		original = ""
	}
	return &encoder{constant: constant(o), allowances: object.Allowances(original, "planetscale.audit.metadata"), limit: limit, catalogue: o.Catalogue}, nil
}

// constant renders what the options decide. observer is the machine that
// forwards: host would be read as the one where the event happened.
func constant(o transform.Options) string {
	w := writer{object.Writer{Longest: object.Unbounded}}
	w.Raw(`"ecs":{"version":"` + version + `"},`)
	w.Raw(`"data_stream":{"type":"logs","dataset":"` + dataset + `","namespace":"default"},`)
	observer := w.Open(`"observer":{`)
	w.Raw(`"vendor":"Sluice","product":"Sluice","type":"forwarder",`)
	w.Text(`"name":`, o.Host)
	w.Text(`"version":`, o.Version)
	w.Close(observer)
	w.Raw(`"cloud":{"provider":"planetscale","service":{"name":"PlanetScale"},`)
	return string(w.Buf)
}

// Transform implements transform.Transformer.
func (c *encoder) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	action := c.catalogue.Lookup(e.Action)
	body, whole, err := object.Fit(dst, c.limit, c.allowances, func(dst []byte, a *object.Allowance) []byte {
		return c.append(dst, e, action, a)
	})
	if err != nil {
		return sink.Record{}, fmt.Errorf("ecs: event %.80q: %w", e.ID, err)
	}
	r := transform.NewRecord(e, name, mediaType, action, body)
	r.Truncated = !whole
	return r, nil
}
