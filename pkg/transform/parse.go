package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// catalogueFile is a catalogue as it was written. It knows the line of each entry.
type catalogueFile struct {
	Entries
	data  []byte
	lines map[string]int // of each entry, by its part and name
	errs  []error
}

// parseEntries reads a catalogue. The error tells every problem, each with the line and
// the name of its entry.
func parseEntries(data []byte) (*catalogueFile, error) {
	f := &catalogueFile{data: data, lines: map[string]int{}}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := f.object(d, "", func(part string) error { return f.part(d, part) }); err != nil {
		f.errs = append(f.errs, fmt.Errorf("line %d: %w", f.line(d), err))
	}
	return f, errors.Join(f.errs...)
}

// object reads the object that comes next in d, and calls each for every key.
func (f *catalogueFile) object(d *json.Decoder, what string, each func(key string) error) error {
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return fmt.Errorf("%sis not an object; write {…}", what)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := each(key.(string)); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (f *catalogueFile) part(d *json.Decoder, part string) error {
	switch part {
	case "actions":
		return entriesOf(f, d, part, &f.Actions)
	case "resources":
		return entriesOf(f, d, part, &f.Resources)
	case "verbs":
		return entriesOf(f, d, part, &f.Verbs)
	case "techniques":
		return entriesOf(f, d, part, (*map[string]string)(&f.Techniques))
	case "roles":
		if err := d.Decode(&f.Roles); err != nil {
			return fmt.Errorf("roles: %w", explained(err, reflect.TypeFor[ranks]()))
		}
		return nil
	case "depths":
		return entriesOf(f, d, part, (*map[string]int)(&f.Depths))
	}
	return fmt.Errorf("unknown key %q; write one of %s", part, strings.Join(keysOf(reflect.TypeFor[Entries]()), ", "))
}

// entriesOf reads the entries of a part.
func entriesOf[T any](f *catalogueFile, d *json.Decoder, part string, into *map[string]T) error {
	*into = map[string]T{}
	return f.object(d, part+": ", func(name string) error {
		line := f.line(d)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		first, twice := f.lines[part+": "+name]
		f.lines[part+": "+name] = line
		if twice {
			f.tell(part, name, fmt.Errorf("is in line %d, too; remove one of them", first))
		}
		var entry T
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&entry); err != nil {
			f.tell(part, name, explained(err, reflect.TypeFor[T]()))
		}
		(*into)[name] = entry
		return nil
	})
}

// tell notes a problem of an entry.
func (f *catalogueFile) tell(part, name string, err error) {
	f.errs = append(f.errs, fmt.Errorf("line %d: %s: %s: %w", f.lines[part+": "+name], part, name, err))
}

// line is where d is.
func (f *catalogueFile) line(d *json.Decoder) int {
	return 1 + bytes.Count(f.data[:d.InputOffset()], []byte("\n"))
}

// explained says what to write instead.
func explained(err error, t reflect.Type) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		words := map[reflect.Kind]string{reflect.String: "a text", reflect.Int: "a number", reflect.Bool: "true or false", reflect.Slice: "a list", reflect.Struct: "an object"}
		name := ""
		if wrong.Field != "" {
			key := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:] // the name of a Go field where its struct is embedded
			name = fmt.Sprintf("%q ", strings.ToLower(key))
		}
		return fmt.Errorf("%sis a %s; write %s", name, wrong.Value, words[wrong.Type.Kind()])
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return fmt.Errorf("unknown key %s; write one of %s", name, strings.Join(keysOf(t), ", "))
	}
	return err
}

// keysOf returns the keys of a struct.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, field := range reflect.VisibleFields(t) {
		if key := field.Tag.Get("yaml"); field.IsExported() && !field.Anonymous {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// validate tells the problems of all entries, as the reader of configurations does.
func (f *catalogueFile) validate() {
	for _, name := range slices.Sorted(maps.Keys(f.Actions)) {
		entry := f.Actions[name]
		for _, err := range append(entry.Validate(), entry.Rule.Validate()...) {
			f.tell("actions", name, err)
		}
	}
	for _, part := range []struct {
		name  string
		rules map[string]Rule
	}{{"resources", f.Resources}, {"verbs", f.Verbs}} {
		for _, name := range slices.Sorted(maps.Keys(part.rules)) {
			rule := part.rules[name]
			for _, err := range rule.Validate() {
				f.tell(part.name, name, err)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.Techniques)) {
		for _, err := range (techniques{id: f.Techniques[id]}).Validate() {
			f.tell("techniques", id, err)
		}
	}
	for _, err := range f.Roles.Validate() {
		f.errs = append(f.errs, fmt.Errorf("roles: %w", err))
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Depths)) {
		for _, err := range (depths{kind: f.Depths[kind]}).Validate() {
			f.tell("depths", kind, err)
		}
	}
}

// namesOf tells the aliases and techniques that c does not have.
func (f *catalogueFile) namesOf(c *Catalogue) {
	for _, name := range slices.Sorted(maps.Keys(f.Actions)) {
		entry := f.Actions[name]
		if _, known := c.actions[entry.Alias]; !known && entry.Alias != "" {
			f.tell("actions", name, fmt.Errorf("unknown alias %s; write the name of another action", entry.Alias))
		}
		if _, known := c.entries.Techniques[entry.Technique]; !known && entry.Technique != "" && entry.Technique != None {
			f.tell("actions", name, fmt.Errorf("unknown technique %s; add it to techniques with its name", entry.Technique))
		}
	}
}
