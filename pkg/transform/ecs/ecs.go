// Package ecs encodes events as documents of the Elastic Common Schema 9.4.0,
// one JSON object on one line.
//
// # What is where
//
// The event is event.*, and event.action is the source's action verbatim. message is the
// event in words: what happened, who did it and to what. The actor is user.*. An affected person is user.target.*, an affected team group.*. ECS has no
// generic object: the object and its container are <dataset>.{object,container}.*, where
// <dataset> is that of the product, such as planetscale.audit. They are also under the
// source's own names, such as <dataset>.{auditable,target}.*. An event without an actor
// has no user.*, and its <dataset>.actor.type is "System". If a role changes,
// user.target.roles is the role before and user.changes.roles the role after.
//
// threat.* is the technique of MITRE ATT&CK that attackers use the action for, if the
// catalogue names one. source.geo.* and source.as.* come from enrichment.
//
// The raw event is event.original (left out on request). event.hash is its SHA-256 in
// hex, always of the API's bytes. If they are not valid UTF-8, event.original has U+FFFD
// in their place and <dataset>.original_base64 has the bytes.
//
// If a part of an event could not be read, it has event.kind "pipeline_error",
// error.message and <dataset>.problem. Further marks under <dataset> are late, replayed
// (sluice replay sent it again), own_token (it is about the token with which Sluice reads
// the log), gap (the event is Sluice's own and reports that others are missing), unmapped
// (the catalogue has no entry for the action) and truncated (an array that names what was
// left out or shortened to fit). <dataset>.severity is Sluice's; event.severity is for the
// source's.
//
// A record of a lane with evidence (see package evidence) has a number: event.sequence is
// its place in the lane's log, and <dataset>.epoch how often the lane was taken. A record
// that carries a note has it whole in <dataset>.note, and no event.original.
//
// # Nothing that an index refuses
//
// Elasticsearch refuses a whole document if one field does not fit its mapping, so no
// mapping depends on what a user of the source typed:
//
//   - metadata is one field, <dataset>.metadata, a string that holds JSON. A flattened
//     field would refuse an array, a scalar, and a document nested more than 20 deep.
//     Objects mapped dynamically would conflict with each other and multiply fields
//     without bound.
//   - source.ip, client.ip and related.ip are left out if the text is not an address.
//     source.address has what was sent.
//   - <dataset>.updated_at is left out if it is not a time.
//   - event.category and event.type are arrays that agree with each other.
package ecs

import (
	"strings"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/object"
)

const (
	name      = "ecs"
	mediaType = "application/json"
	version   = "9.4.0" // of the schema
)

// Format is the format "ecs".
var Format = transform.NewFormat(name, mediaType, struct{}{}, open).ExplainedBy(transform.ExplainJSON(rules)).AtLeast(3 << 10)

// encoder holds what is the same in every document.
type encoder struct {
	constant   string    // members that depend on the options alone, each with a comma
	module     string    // members of event that name the product
	vendor     string    // start of the vendor's own object
	objects    [2]string // keys of the objects in it
	allowances []object.Allowance

	catalogue *transform.Catalogue
}

func open(o transform.Options, _ struct{}) (transform.Transformer, error) {
	original := "event.original"
	if !o.Original {
		original = ""
	}
	module, log, _ := strings.Cut(o.Product.Dataset, ".")
	names := o.Product.ObjectNames()
	c := &encoder{
		constant: constant(o),
		module:   `"module":"` + module + `","provider":"` + module + `","dataset":"` + o.Product.Dataset + `",`,
		vendor:   `"` + module + `":{"` + log + `":{`,
		objects:  [2]string{`"` + names[0] + `":{`, `"` + names[1] + `":{`},

		allowances: object.Allowances(original, o.Product.Dataset+".metadata"), catalogue: o.Catalogue,
	}
	return transform.NewObjectTransformer(name, mediaType, o, c.encode)
}

// constant renders what the options decide. The host that runs Sluice is observer: host
// would be read as the host where the event happened.
func constant(o transform.Options) string {
	w := writer{object.Writer{Longest: object.Unbounded}}
	w.Raw(`"ecs":{"version":"` + version + `"},`)
	w.Raw(`"data_stream":{"type":"logs","dataset":"` + o.Product.Dataset + `","namespace":"default"},`)
	observer := w.Open(`"observer":{`)
	w.Raw(`"vendor":"Sluice","product":"Sluice","type":"forwarder",`)
	w.Text(`"name":`, o.Host)
	w.Text(`"version":`, o.Version)
	w.Close(observer)
	w.Text(`"cloud":{"provider":`, o.Product.Module())
	w.Text(`"service":{"name":`, o.Product.Name)
	w.End()
	return string(w.Buf)
}

// encode implements transform.Encode.
func (c *encoder) encode(dst []byte, e *source.Event, action *transform.Action, limit int) ([]byte, bool, error) {
	return object.Fit(dst, limit, c.allowances, func(dst []byte, a *object.Allowance) []byte {
		return c.append(dst, e, action, a)
	})
}
