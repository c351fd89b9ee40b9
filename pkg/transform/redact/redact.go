// Package redact removes personal data from events before they are encoded, in every
// place where it appears:
//
//	redact:
//	  key_file: /run/secrets/redact_key
//	  fields:
//	    - {field: actor.name, how: hash}
//	    - {field: remote_ip, how: mask}
//	    - {field: metadata.email, how: remove}
//
// # By field, and by value
//
// A field is redacted in its own place: in the decoded event, which is where formats take
// it from, and under its key in the raw event, whatever its value is there. People appear
// under more than one key. So the value is then searched for in the rest of the event: in
// every other field, in metadata and its names, in keys that are new in the API, in the
// result of enrichment and in Problem. A value of four bytes or more is also found in a
// longer text. A shorter one is found only if it is the whole text, since half of all
// words would contain it. A number is searched for if it has four digits or more; true and
// false are not.
//
// The identity and the kind of an event are never redacted: its id, its times, the
// organization, the action, and the types of actor and objects. Nor are the API's own
// keys. If a field in metadata is an object or a list, everything in it is redacted, but
// its content is not searched for elsewhere.
//
// # How
//
// hash replaces a value with "hmac:" and 128 bits of its HMAC-SHA-256 in hex (RFC 2104;
// section 5 allows to cut it). The same value has the same hash in all fields, events and
// sinks with the same key. So a search for an actor still finds everything they did, and
// without the key nobody can try out names or addresses. mask replaces a value with
// "[masked]". remove leaves null in JSON, nothing in a field, and "[removed]" in a longer
// text. If the id of objects is masked or removed, they cannot be told apart, and the
// order of each one's events is no longer kept. With a hashed id it is.
//
// # What cannot be read
//
// Nothing can be found in an event that is not a JSON object, so all of it is withheld:
// its raw copy has only its id and a note that it is withheld. The id of an event without
// an id is a hash of its bytes: somebody who already has all those bytes can recognize
// them. The checksum in a record is that of the redacted copy, so it cannot confirm a
// guess of the original.
//
// Redaction does not fold upper and lower case, does not look into text that is encoded
// again (such as JSON in a string with escapes, or Base64), and does not hide how many
// there are of something.
package redact

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Redactor redacts the events of a lane. Redact is not safe for concurrent use. Refresh
// may be called at the same time.
type Redactor struct {
	key    setting.Secret
	hasher atomic.Pointer[hasher] // nil if nothing is hashed

	fields   []field
	rules    []*rule   // of the fields; nil if a field is not redacted
	root     node      // of a raw event
	withheld [2]string // the text before and after the id of an event that is withheld
	metadata *node     // the part of root under metadata
	found    []needle  // values of the event at hand, longest first

	event  source.Event  // the redacted copy
	origin source.Origin // that of the copy
	rest   []byte        // of the memory for raw copies; empty, with a capacity
}

// rule is how a field is redacted.
type rule struct{ how string }

// New returns a redactor for the events of a product. The error means that the key cannot
// be read, or that a field cannot be redacted everywhere.
func New(s Settings, p *source.Product) (*Redactor, error) {
	if err := errors.Join(s.Unknown(p)...); err != nil {
		return nil, fmt.Errorf("redact: %w", err)
	}
	r := &Redactor{key: s.Key, fields: fieldsOf(p), root: rawOf(p), withheld: around(p.Keys.ID)}
	r.rules = make([]*rule, len(r.fields))
	if p.Keys.Metadata != "" {
		r.metadata = r.root.at(strings.Split(p.Keys.Metadata, "."))
	}
	for _, f := range s.Fields {
		rule := &rule{f.How}
		if i := slices.IndexFunc(r.fields, func(known field) bool { return known.name == f.Name }); i >= 0 {
			r.rules[i] = rule
		}
		keys, err := f.keys(p)
		if err != nil {
			return nil, err
		}
		r.root.at(keys).rule = rule
	}
	if _, err := r.Refresh(); err != nil {
		return nil, err
	}
	return r, nil
}

// Refresh reloads the key, and reports whether it changed. If it cannot be read, the
// former key stays in use.
func (r *Redactor) Refresh() (changed bool, err error) {
	if !r.key.IsSet() {
		return false, nil
	}
	key, err := r.key.Value()
	if err == nil {
		err = longEnough(key)
	}
	if err != nil {
		return false, fmt.Errorf("redact.key: %w", err)
	}
	if now := r.hasher.Load(); now != nil && now.key == key {
		return false, nil
	}
	r.hasher.Store(newHasher(key))
	return true, nil
}

// String names what Refresh reloads.
func (r *Redactor) String() string { return "redact.key" }

// Redact returns a redacted copy of e, or e itself if Sluice added it to the log. It does not change e.
// The next call overwrites the copy, except for its raw event.
func (r *Redactor) Redact(e *source.Event) *source.Event {
	if e.Gap || e.Audit {
		return e // Sluice made it, and it has no personal data.
	}
	r.find(e)
	r.event = *e
	r.event.Hash = [32]byte{} // of another raw event
	for i := range r.fields {
		text := r.fields[i].of(&r.event)
		if rule := r.rules[i]; rule != nil {
			*text = r.token(rule, *text)
		} else {
			*text = r.text(*text)
		}
	}
	r.event.Problem, r.event.Text = r.text(e.Problem), r.text(e.Text)
	r.redactOrigin()
	r.redactRaw(e)
	return &r.event
}

// find collects the values to search for. If several rules have the same value, the rule
// of the first field in the table applies.
func (r *Redactor) find(e *source.Event) {
	clear(r.found)
	r.found = r.found[:0]
	for i, rule := range r.rules {
		if rule != nil {
			r.seek(*r.fields[i].of(e), rule)
		}
	}
	if r.metadata.leads() && len(e.Metadata) > 0 {
		r.seekIn(e.Metadata, rawjson.Space(e.Metadata, 0), r.metadata)
	}
}

// seek adds a value to found, which is ordered by length.
func (r *Redactor) seek(text string, how *rule) {
	if text == "" {
		return
	}
	text = clean(text)
	at := 0
	for ; at < len(r.found) && len(r.found[at].text) >= len(text); at++ {
		if r.found[at].text == text {
			return
		}
	}
	r.found = slices.Insert(r.found, at, needle{text, how})
}

// clean returns a text as JSON has it: each byte that is not UTF-8 becomes U+FFFD.
func clean(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}

func (r *Redactor) redactOrigin() {
	if r.event.Origin == nil {
		return
	}
	r.origin = *r.event.Origin
	for _, text := range []*string{&r.origin.City, &r.origin.RegionName, &r.origin.CountryName, &r.origin.Postal, &r.origin.SystemHolder} {
		*text = r.text(*text)
	}
	r.event.Origin = &r.origin
}
