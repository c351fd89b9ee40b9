package redact

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Settings are what is redacted. The zero value redacts nothing.
type Settings struct {
	Key    setting.Secret `yaml:"key" least:"32" doc:"Key of the hash, at least 32 bytes. It is required if a field has how: hash. A file is read again when it changes."`
	Fields []Field        `yaml:"fields" default:"none" doc:"What is redacted, wherever it appears in the record."`
}

// Field is a field to redact.
type Field struct {
	Name string `yaml:"field" required:"true" doc:"Field of the event, such as actor.name, remote_ip or location; metadata; or metadata.NAME for a member of it."`
	How  string `yaml:"how" required:"true" values:"hash|mask|remove" doc:"hash writes a keyed hash, so that equal values stay equal; mask writes [masked]; remove leaves nothing."`
}

const (
	byHash    = "hash"
	byMask    = "mask"
	byRemoval = "remove"
)

// field is a text of an event that can be redacted. Its name in settings is the name that
// conditions (package where) use.
type field struct {
	name string // starts with a dot if the product has no name for the object
	keys string // in the raw event, joined by dots; empty if it does not have the field
	of   func(*source.Event) *string
}

// fieldsOf returns the fields of a product's events.
func fieldsOf(p *source.Product) []field {
	k, first, second := &p.Keys, p.Objects[0], p.Objects[1]
	return []field{
		{"actor.id", k.Actor.ID, func(e *source.Event) *string { return &e.Actor.ID }},
		{"actor.name", k.Actor.Name, func(e *source.Event) *string { return &e.Actor.Name }},
		{first + ".id", k.Objects[0].ID, func(e *source.Event) *string { return &e.Objects[0].ID }},
		{first + ".name", k.Objects[0].Name, func(e *source.Event) *string { return &e.Objects[0].Name }},
		{second + ".id", k.Objects[1].ID, func(e *source.Event) *string { return &e.Objects[1].ID }},
		{second + ".name", k.Objects[1].Name, func(e *source.Event) *string { return &e.Objects[1].Name }},
		{"remote_ip", k.RemoteIP, func(e *source.Event) *string { return &e.RemoteIP }},
		{"location", k.Location, func(e *source.Event) *string { return &e.Location }},
	}
}

// keptOf returns the keys whose values are the identity and the kind of an event.
func keptOf(p *source.Product) []string {
	k := &p.Keys
	return append([]string{k.ID, k.Time, k.Modified, k.Action, k.Verb, k.Actor.Type, k.Objects[0].Type, k.Objects[1].Type}, k.Kept...)
}

// minKey is the length of the hash. A shorter key weakens it (RFC 2104, section 3).
const minKey = 32

func longEnough(key string) error {
	if len(key) < minKey {
		return fmt.Errorf("has %d bytes; write at least %d, as from openssl rand -hex 32", len(key), minKey)
	}
	return nil
}

// Validate reports the problems of the settings that do not depend on a product. Unknown
// reports the others.
func (s *Settings) Validate() []error {
	var errs []error
	invalid := func(key string, err error) { errs = append(errs, setting.Invalid(key, err)) }
	for i, f := range s.Fields {
		key := fmt.Sprintf("fields[%d]", i)
		if f.How != byHash && f.How != byMask && f.How != byRemoval {
			problem := "is unknown"
			if f.How == "" {
				problem = "missing"
			}
			invalid(key+".how", errors.New(problem+"; write hash, mask or remove"))
		}
		for j, other := range s.Fields[:i] {
			if f.Name == other.Name || f.within(other) || other.within(f) {
				invalid(key+".field", fmt.Errorf("is also covered by fields[%d]; keep one of them", j))
			}
		}
	}
	if err := s.badKey(); err != nil {
		invalid("key", err)
	}
	return errs
}

// badKey reports the problem of the key. A secret that cannot be read is reported when
// settings are decoded.
func (s *Settings) badKey() error {
	switch {
	case !s.Key.IsSet() && !s.hashes():
		return nil
	case !s.Key.IsSet():
		return errors.New("missing; hash needs one, as from openssl rand -hex 32")
	case !s.hashes():
		return errors.New("no field is hashed with it; write how: hash for a field, or remove the key")
	}
	key, err := s.Key.Value()
	if err != nil {
		return err
	}
	return longEnough(key)
}

func (s *Settings) hashes() bool {
	return slices.ContainsFunc(s.Fields, func(f Field) bool { return f.How == byHash })
}

// Unknown reports the fields that the events of a product do not have, or whose place in
// the raw events is unknown.
func (s *Settings) Unknown(p *source.Product) []error {
	var errs []error
	for i, f := range s.Fields {
		if _, err := f.keys(p); err != nil {
			errs = append(errs, setting.Invalid(fmt.Sprintf("fields[%d].field", i), err))
		}
	}
	return errs
}

// within reports whether f is a part of other.
func (f Field) within(other Field) bool { return strings.HasPrefix(f.Name, other.Name+".") }

// keys returns the path to a field in the raw events of a product. Without a path its
// value could stay there, so that is an error.
func (f Field) keys(p *source.Product) ([]string, error) {
	path, known := "", false
	if member, within := strings.CutPrefix(f.Name, "metadata."); within || f.Name == "metadata" {
		path, known = p.Keys.Metadata, !within || !slices.Contains(strings.Split(member, "."), "")
		if within && path != "" {
			path += "." + member
		}
	}
	var names []string
	for _, field := range fieldsOf(p) {
		if field.name == f.Name {
			path, known = field.keys, true
		}
		if field.name[0] != '.' {
			names = append(names, field.name)
		}
	}
	switch {
	case f.Name == "":
		return nil, fmt.Errorf("missing; write one of %s, metadata, or metadata.NAME for a member of it", strings.Join(names, ", "))
	case !known || f.Name[0] == '.':
		return nil, fmt.Errorf("is an unknown field; known: %s, metadata, and metadata.NAME for a member of it", strings.Join(names, ", "))
	case path == "":
		return nil, fmt.Errorf("cannot be redacted: its place is unknown in the raw events of %s", p.Name)
	}
	return strings.Split(path, "."), nil
}
