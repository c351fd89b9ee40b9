// Package ocsf encodes events in the Open Cybersecurity Schema Framework 1.8.0,
// one JSON object on one line.
//
// # Classes
//
// Every event is of the class API Activity (6003), like the API logs of other clouds. With
// the setting "classes: iam", events about people, teams and credentials are instead of a
// class of the category Identity & Access Management, if the catalogue names one and the
// event has what that class requires:
//
//	3001 Account Change          user, whose account it is
//	3002 Authentication          user, who signed in; service
//	3004 Entity Management       entity, such as a service token
//	3005 User Access Management  user; privileges, the role that was given or taken
//	3006 Group Management        group, the team; user, if there is one
//
// A user who signs in, joins or leaves is both actor and user. A change of roles assigns
// or revokes privileges if the catalogue knows which role is the stronger one; else its
// activity is Other. Who becomes a member is an entity that is updated: the event does not
// say what privileges that gives.
//
// Version 1.9 of the schema deprecates 3001 and 3005, so they are not the
// default.
//
// # What is where
//
// The event's id is metadata.uid, the source's action is api.operation and
// metadata.event_code, the organization metadata.tenant_uid and cloud.account.
// The actor is actor.user, with the type Service for a token. If the event has no actor,
// the product itself is actor.app_name. Objects are resources, or unmapped.resources in
// classes without resources: first the object, then its container. observables point at
// the addresses, people and ids in the record, for searches that ignore their parts.
// attacks names the technique of MITRE ATT&CK that the action would be if an attacker did
// it. A record with attacks also has the profile security_control.
//
// The raw event is raw_data (left out on request). raw_data_hash is its SHA-256 and
// raw_data_size its length, both always of the API's bytes. If they are not valid UTF-8,
// raw_data has U+FFFD in their place and unmapped.sluice.original_base64 has the bytes.
//
// unmapped has what has no place in the schema: the API's action, location, and metadata
// as a string that holds JSON, since an object would multiply the columns of a lake
// without bound. unmapped.sluice has Sluice's severity from 0 to 10, and marks: late,
// replayed (sluice replay sent it again), own_token (it is about the token with which
// Sluice reads the log), gap (the event is Sluice's own and reports that others are
// missing), unmapped (the catalogue has no entry for the action) and truncated (what was
// left out or shortened to fit; metadata.is_truncated is then true). metadata.debug is what
// could not be read of an event.
//
// A record of a lane with evidence (see package evidence) has a number: metadata.sequence is
// its place in the lane's log, and unmapped.sluice.epoch how often the lane was taken.
// unmapped.sluice.objects has the ids of the two objects where resources have them in
// another order. A record that carries a note has it whole in unmapped.sluice.note, and
// no raw_data.
//
// # Required fields that an event lacks
//
// API Activity requires an actor and a source. The actor of an event without an actor is
// the product as an application. The source of an event without an address is the product
// as a service. Both are "Unknown" in an event that could not be decoded, and "Sluice" in
// a gap. No address is ever invented: text that is not an address is src_endpoint.name.
package ocsf

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/object"
)

const (
	name      = "ocsf"
	mediaType = "application/json"
	version   = "1.8.0" // of the schema
)

// Settings are the keys of format_settings.
type Settings struct {
	Classes string `yaml:"classes" values:"api|iam" doc:"Classes of events: api is API Activity for all, iam is a class of Identity & Access Management where one fits."`
}

// Validate reports an unknown value of Classes.
func (s Settings) Validate() []error {
	if s.Classes != classesAPI && s.Classes != classesIAM {
		return []error{setting.Invalid("classes", fmt.Errorf("%q is not known; write %s or %s", s.Classes, classesAPI, classesIAM))}
	}
	return nil
}

const (
	classesAPI = "api"
	classesIAM = "iam"
)

// Format is the format "ocsf".
var Format = transform.NewFormat(name, mediaType, Settings{Classes: classesAPI}, open).ExplainedBy(transform.ExplainJSON(rules)).AtLeast(3 << 10)

// encoder holds what is the same in every record.
type encoder struct {
	constant   string    // members of metadata that depend on the options alone, each with a comma
	product    string    // its name
	service    string    // members of api and cloud that name the product
	signIn     string    // members of a record about signing in to the product
	kinds      [2]string // keys of the types of objects that are not resources
	catalogue  *transform.Catalogue
	iam        bool
	allowances []object.Allowance
}

// writer adds to object.Writer what only this schema needs.
type writer struct{ object.Writer }

func open(o transform.Options, s Settings) (transform.Transformer, error) {
	original := "raw_data"
	if !o.Original {
		original = ""
	}
	p, quoted := &o.Product, string(transform.AppendJSON(nil, o.Product.Name))
	names := p.ObjectNames()
	c := &encoder{
		product: p.Name,
		service: `"service":{"name":` + quoted + `}},"cloud":{"provider":` + string(transform.AppendJSON(nil, p.Vendor)) + `,`,
		signIn:  `"service":{"name":` + quoted + `},"is_remote":true,`,
		kinds:   [2]string{`"` + names[0] + `_type":`, `"` + names[1] + `_type":`},

		constant: constant(o), catalogue: o.Catalogue, iam: s.Classes == classesIAM, allowances: object.Allowances(original, "unmapped.metadata"),
	}
	return transform.NewObjectTransformer(name, mediaType, o, c.encode)
}

// constant renders what the options decide. Sluice is a logger between the product and
// the destination.
func constant(o transform.Options) string {
	w := writer{object.Writer{Longest: object.Unbounded}}
	w.Raw(`"version":"` + version + `",`)
	w.Text(`"product":{"name":`, o.Product.Name)
	w.Text(`"vendor_name":`, o.Product.Vendor)
	w.Text(`"feature":{"name":`, o.Product.Feature)
	w.End()
	w.End()
	w.Raw(`"loggers":[{"name":"Sluice",`)
	w.Text(`"uid":`, o.Host)
	w.Raw(`"product":{"name":"Sluice","vendor_name":"Sluice",`)
	w.Text(`"version":`, o.Version)
	w.Buf[len(w.Buf)-1] = '}'
	w.Raw(`}],`)
	return string(w.Buf)
}

// encode implements transform.Encode.
func (c *encoder) encode(dst []byte, e *source.Event, action *transform.Action, limit int) ([]byte, bool, error) {
	return object.Fit(dst, limit, c.allowances, func(dst []byte, a *object.Allowance) []byte {
		return c.append(dst, e, action, a)
	})
}
