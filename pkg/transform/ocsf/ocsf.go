// Package ocsf encodes events in the Open Cybersecurity Schema Framework 1.8.0,
// one JSON object on one line.
//
// # Classes
//
// Every event is of the class API Activity (6003), as what other clouds log of
// their interfaces is. With the setting "classes: iam" events about people,
// teams and credentials are of a class of the category Identity & Access
// Management instead, where the catalogue names one and the event has what that
// class requires:
//
//	3001 Account Change          user, whose account it is
//	3002 Authentication          user, who signed in; service
//	3004 Entity Management       entity, such as a service token
//	3005 User Access Management  user; privileges, the role or "member"
//	3006 Group Management        group, the team; user where there is one
//
// Who signs in, joins or leaves is both actor and user.
//
// Version 1.9 of the schema deprecates 3001 and 3005, so they are not the
// default.
//
// # What is where
//
// The event's id is metadata.uid, the API's audit_action is api.operation and
// metadata.event_code, the organization metadata.tenant_uid and cloud.account.
// Who did it is actor.user, with the type Service for a service token; PlanetScale
// itself, where the event has no actor, is actor.app_name. Objects are resources,
// or unmapped.resources in the classes that have none: first what it was done to,
// then what that belongs to. observables point at the addresses, people and ids
// in the record, for searches that do not care about the part they play. attacks
// names the technique of MITRE ATT&CK that doing this would be one of, were an
// attacker to do it; with it the record is of the profile security_control too.
//
// The raw event is raw_data (left out on request), its SHA-256 raw_data_hash and
// its length raw_data_size, both always over the API's bytes. Where those are not
// valid UTF-8, raw_data carries U+FFFD in their place and
// unmapped.sluice.original_base64 the bytes.
//
// unmapped has what the schema has no place for: the API's action, location, and
// metadata as a string that holds JSON, since an object would multiply the columns
// of a lake without bound. In unmapped.sluice are Sluice's severity from 0 to 10,
// and marks: late, gap (the event is Sluice's own and tells that others are
// missing), unmapped (the catalogue does not know the action) and truncated (what
// was left out or shortened to fit; metadata.is_truncated says so too). What could
// not be read of an event is metadata.debug.
//
// # What must be there and is not
//
// API Activity requires an actor and a source. An event without an actor has the
// application "PlanetScale", one without an address the service "PlanetScale";
// where Sluice cannot know, because the event could not be decoded, both are
// "Unknown", and in a gap they are "Sluice". No address is ever invented: text
// that is none is src_endpoint.name.
package ocsf

import (
	"fmt"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
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
	// Classes says which classes events may have: "api", API Activity for all, or
	// "iam", those of Identity & Access Management where they fit. Default "api".
	Classes string `yaml:"classes"`
}

// Validate reports classes that are not known.
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
	constant   string // members of metadata that depend on the options alone, each with a comma
	catalogue  *transform.Catalogue
	iam        bool
	allowances []object.Allowance
	limit      int
}

// writer writes what the schema has.
type writer struct{ object.Writer }

func open(o transform.Options, s Settings) (transform.Transformer, error) {
	limit, err := o.Limit()
	if err != nil {
		return nil, fmt.Errorf("ocsf: %w", err)
	}
	original := "raw_data"
	if !o.Original {
		original = ""
	}
	return &encoder{
		constant: constant(o), catalogue: o.Catalogue, iam: s.Classes == classesIAM, allowances: object.Allowances(original, "unmapped.metadata"), limit: limit,
	}, nil
}

// constant renders what the options decide. Sluice is a logger, between the
// product and the destination.
func constant(o transform.Options) string {
	w := writer{object.Writer{Longest: object.Unbounded}}
	w.Raw(`"version":"` + version + `",`)
	w.Raw(`"product":{"name":"PlanetScale","vendor_name":"PlanetScale","feature":{"name":"Audit Log"}},`)
	w.Raw(`"loggers":[{"name":"Sluice",`)
	w.Text(`"uid":`, o.Host)
	w.Raw(`"product":{"name":"Sluice","vendor_name":"Sluice",`)
	w.Text(`"version":`, o.Version)
	w.Buf[len(w.Buf)-1] = '}'
	w.Raw(`}],`)
	return string(w.Buf)
}

// Transform implements transform.Transformer.
func (c *encoder) Transform(dst []byte, e *source.Event) (sink.Record, error) {
	action := c.catalogue.Lookup(e.Action)
	body, whole, err := object.Fit(dst, c.limit, c.allowances, func(dst []byte, a *object.Allowance) []byte {
		return c.append(dst, e, action, a)
	})
	if err != nil {
		return sink.Record{}, fmt.Errorf("ocsf: event %.80q: %w", e.ID, err)
	}
	r := transform.NewRecord(e, name, mediaType, action, body)
	r.Truncated = !whole
	return r, nil
}
