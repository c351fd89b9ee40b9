package redact

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Settings say what is redacted. The zero value redacts nothing.
type Settings struct {
	Key    setting.Secret `yaml:"key"`    // for hash; at least 32 bytes; a file is read again when it changes
	Fields []Field        `yaml:"fields"` // default none
}

// Field is a field to redact.
type Field struct {
	Name string `yaml:"field"` // one of those named below, "metadata", or "metadata.a.b" for a member of it
	How  string `yaml:"how"`   // hash, mask or remove
}

const (
	byHash    = "hash"
	byMask    = "mask"
	byRemoval = "remove"
)

// field is a text of an event that can be redacted: its name in settings, which
// is that of where, and its key in the API.
type field struct {
	name, key string
	of        func(*source.Event) *string
}

var fields = [...]field{
	{"actor.id", "actor_id", func(e *source.Event) *string { return &e.Actor.ID }},
	{"actor.name", "actor_display_name", func(e *source.Event) *string { return &e.Actor.Name }},
	{"auditable.id", "auditable_id", func(e *source.Event) *string { return &e.Auditable.ID }},
	{"auditable.name", "auditable_display_name", func(e *source.Event) *string { return &e.Auditable.Name }},
	{"target.id", "target_id", func(e *source.Event) *string { return &e.Target.ID }},
	{"target.name", "target_display_name", func(e *source.Event) *string { return &e.Target.Name }},
	{"remote_ip", "remote_ip", func(e *source.Event) *string { return &e.RemoteIP }},
	{"location", "location", func(e *source.Event) *string { return &e.Location }},
}

// kept are the keys of the API whose values say which event it is, and of what
// kind.
var kept = []string{
	"id", "type", "audit_action", "action", "actor_type", "auditable_type", "target_type", "created_at", "updated_at",
}

// minKey is the length of the hash's own output, below which a key weakens it
// (RFC 2104, section 3).
const minKey = 32

func longEnough(key string) error {
	if len(key) < minKey {
		return fmt.Errorf("has %d bytes; write at least %d, as from openssl rand -hex 32", len(key), minKey)
	}
	return nil
}

// Validate tells what is wrong.
func (s *Settings) Validate() []error {
	var errs []error
	invalid := func(key string, err error) { errs = append(errs, setting.Invalid(key, err)) }
	for i, f := range s.Fields {
		key := fmt.Sprintf("fields[%d]", i)
		if err := f.known(); err != nil {
			invalid(key+".field", err)
		}
		if f.How != byHash && f.How != byMask && f.How != byRemoval {
			invalid(key+".how", errors.New("is unknown; write hash, mask or remove"))
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

// badKey tells what is wrong with the key. A secret that cannot be read is told
// of where settings are decoded.
func (s *Settings) badKey() error {
	switch {
	case !s.Key.IsSet() && !s.hashes():
		return nil
	case !s.Key.IsSet():
		return errors.New("missing; hash needs one, as from openssl rand -hex 32")
	case !s.hashes():
		return errors.New("nothing is hashed by it; write how: hash for a field, or remove the key")
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

// known tells what is wrong with the name of a field.
func (f Field) known() error {
	keys := keysOf(f.Name)
	if keys != nil && !slices.Contains(keys, "") {
		return nil
	}
	var names []string
	for _, known := range fields {
		names = append(names, known.name)
	}
	return fmt.Errorf("is an unknown field; known: %s, metadata, and metadata.NAME for a member of it", strings.Join(names, ", "))
}

// within reports whether f is a part of other.
func (f Field) within(other Field) bool { return strings.HasPrefix(f.Name, other.Name+".") }

// keysOf is the path in a raw event of a field by its name, nil if there is no
// such field.
func keysOf(name string) []string {
	if name == "metadata" || strings.HasPrefix(name, "metadata.") {
		return strings.Split(name, ".")
	}
	for _, known := range fields {
		if known.name == name {
			return []string{known.key}
		}
	}
	return nil
}
