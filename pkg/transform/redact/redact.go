// Package redact takes personal data out of events before they are encoded, in
// every place where it appears:
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
// A field is redacted where it stands: in the event as it was decoded, from
// which a format takes a user's name for a dozen keys of its own, and under its
// key in the raw event, whatever the value there is. And since people appear
// under more than one key, its value is then sought in all the rest: in every
// other field, in metadata and the names in it, in keys of the API that nobody
// has seen yet, in what enrichment found and in Problem. A value of four bytes or
// more is also found within a longer text. A shorter one is only where it is all
// of a text, since it would be found in half of all words; and the value of a
// number is sought if it has four digits or more, that of true and false not.
//
// What says which event it is and of what kind is never redacted: its id, its
// times, the organization, the action, and the types of actor and objects. Nor
// are the API's own keys. Of an object or a list, in metadata, all is redacted
// that is in it, but what is in it is not sought elsewhere.
//
// # How
//
// hash replaces a value by "hmac:" and 128 bits of its HMAC-SHA-256 (RFC 2104,
// which allows to cut it, section 5) in hex. The same value has the same hash
// in all fields, events and sinks with the same key, so that a search for one
// actor still finds all they did, and nobody without the key can try out names or
// the few addresses there are. mask replaces it by "[masked]". remove leaves null
// in JSON and nothing in fields, and "[removed]" within a longer text. Objects
// whose id is masked or removed are no longer kept in order among themselves,
// since they can no longer be told apart; those with a hashed one are.
//
// # What cannot be read
//
// In an event that is not a JSON object nothing can be found, so all of it is
// withheld: its raw copy says so, beside its id, and nothing more. The id of an
// event that has none of its own is a hash of its bytes, which lets somebody who
// has all those bytes already recognize them. The checksum that formats give is
// over the redacted copy, as that is what stands in the record; by it nobody can
// confirm a guess of what was there.
//
// What it does not do: fold upper and lower case, look into text that is encoded
// once more (as JSON in a string with escapes, or Base64), or hide how many there
// are of something.
package redact

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Redactor redacts the events of a lane. Its Redact is not safe for concurrent
// use; Refresh may be called beside it.
type Redactor struct {
	key    setting.Secret
	hasher atomic.Pointer[hasher] // nil if nothing is hashed

	fields   [len(fields)]*rule // by their place in fields, nil where not redacted
	root     node               // of a raw event
	metadata *node              // the part of root under metadata
	found    []needle           // values of the event at hand, longest first

	event  source.Event  // the redacted copy
	origin source.Origin // that of the copy
	room   []byte        // for raw copies, empty
}

// rule is how a field is redacted.
type rule struct{ how string }

// New returns a redactor. The error is of a key that cannot be read.
func New(s Settings) (*Redactor, error) {
	r := &Redactor{key: s.Key, root: raw()}
	r.metadata = r.root.child("metadata")
	for _, f := range s.Fields {
		rule := &rule{f.How}
		if i := slices.IndexFunc(fields[:], func(known field) bool { return known.name == f.Name }); i >= 0 {
			r.fields[i] = rule
		}
		r.root.at(keysOf(f.Name)).rule = rule
	}
	if _, err := r.Refresh(); err != nil {
		return nil, err
	}
	return r, nil
}

// Refresh reads the key again, and tells whether it is another one. If it cannot
// be read, that before stays in use.
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

// String says what Refresh reads.
func (r *Redactor) String() string { return "redact.key" }

// Redact returns e with its fields redacted, in memory that is used again at the
// next call. e is not changed.
func (r *Redactor) Redact(e *source.Event) *source.Event {
	if e.Gap {
		return e // which Sluice wrote, and which names nobody
	}
	r.find(e)
	r.event = *e
	for i := range fields {
		text := fields[i].of(&r.event)
		if rule := r.fields[i]; rule != nil {
			*text = r.token(rule, *text)
		} else {
			*text = r.text(*text)
		}
	}
	r.event.Problem = r.text(e.Problem)
	r.redactOrigin()
	r.redactRaw(e)
	return &r.event
}

// find gathers the values to seek. Of two rules that find the same value, the
// one for the field that comes first in the table says how.
func (r *Redactor) find(e *source.Event) {
	clear(r.found)
	r.found = r.found[:0]
	for i, rule := range r.fields {
		if rule != nil {
			r.seek(*fields[i].of(e), rule)
		}
	}
	if r.metadata.leads() && len(e.Metadata) > 0 {
		r.seekIn(e.Metadata, rawjson.Space(e.Metadata, 0), r.metadata)
	}
}

// seek adds a value, in its place by length.
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

// clean is a text as it stands in JSON: each byte that is no UTF-8 is U+FFFD.
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
