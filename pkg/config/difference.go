package config

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Difference is what a new configuration changes in a former one.
type Difference struct {
	// Keys have another value, by their paths and in the order of the alphabet, such as
	// sinks.siem.settings.topic. Sources and sinks go by their names, so their order is no
	// difference. Nor is a default that the file writes out, or another way to write a
	// value. A key stands for all keys within it.
	Keys []string

	Fixed     []string // those of Keys that are about no lane alone, such as state.type
	Ended     []string // lanes of the former configuration only
	Restarted []string // lanes of both that a key is about
	Started   []string // lanes of the new configuration only
	Sources   []string // sources of the former configuration that a key is about
}

// Compare returns what next changes in former.
func Compare(former, next *Config) Difference {
	was, is := valuesOf(former), valuesOf(next)
	d := Difference{Keys: differing(was, is)}
	about := map[string]bool{}
	for _, key := range d.Keys {
		subject := cmp.Or(was[key].about, is[key].about)
		about[subject] = true
		if subject == ofProcess {
			d.Fixed = append(d.Fixed, key)
		}
	}
	for _, s := range former.Sources {
		if about[ofSource(s.Name)] {
			d.Sources = append(d.Sources, s.Name)
		}
	}
	before := map[string]bool{}
	for _, l := range former.Lanes() {
		before[l.Name] = true
	}
	for _, l := range next.Lanes() {
		switch {
		case !before[l.Name]:
			d.Started = append(d.Started, l.Name)
		case about[ofLanes] || about[ofSource(l.Source.Name)] || about[ofSink(l.Sink.Name)]:
			d.Restarted = append(d.Restarted, l.Name)
		}
		delete(before, l.Name)
	}
	for _, l := range former.Lanes() {
		if before[l.Name] {
			d.Ended = append(d.Ended, l.Name)
		}
	}
	return d
}

// What a key is about.
const (
	ofProcess = "the process"
	ofLanes   = "all lanes"
	ofNames   = "which lanes there are"
)

func ofSource(name string) string { return join("sources", name) }
func ofSink(name string) string   { return join("sinks", name) }

// value is the value of a key.
type value struct {
	about string
	is    any
}

// present is the value of a key whose presence counts, beside that of the keys within it.
type present struct{ kind string }

// values are the values of a configuration by their paths.
type values map[string]value

func valuesOf(c *Config) values {
	v := values{}
	for i := range c.Sources {
		v.source(&c.Sources[i])
	}
	for i := range c.Sinks {
		v.sink(&c.Sinks[i])
	}
	if c.Corrections != nil {
		v.add(ofLanes, "catalogue", reflect.ValueOf(c.Corrections))
	}
	v.evidence(c.Evidence)
	if c.AuditEvery > 0 {
		v.set(ofLanes, "audit", present{})
		v.set(ofLanes, "audit.every", c.AuditEvery)
	}
	v.set(ofProcess, "state.type", c.State.Type)
	v.set(ofProcess, "state.settings.dir", c.State.Dir)
	if c.State.Shared != nil {
		v.add(ofProcess, "state.settings", reflect.ValueOf(c.State.Shared))
	}
	v.set(ofProcess, "dead_letters.dir", c.DeadLetters.Dir)
	v.set(ofProcess, "dead_letters.max_bytes", c.DeadLetters.MaxBytes)
	v.set(ofProcess, "admin.listen", c.Admin.Listen)
	v.set(ofProcess, "admin.hosts", c.Admin.Hosts)
	v.set(ofProcess, "admin.token", c.Admin.Token)
	v.add(ofProcess, "admin.tls", reflect.ValueOf(c.Admin.TLS))
	v.set(ofProcess, "log.level", c.Log.Level)
	v.set(ofProcess, "log.format", c.Log.Format)
	v.set(ofProcess, "shutdown_timeout", c.ShutdownTimeout)
	v.set(ofProcess, "memory", c.Memory)
	v.set(ofProcess, "heartbeat", c.Heartbeat)
	return v
}

func (v values) source(s *Source) {
	about := ofSource(s.Name)
	v.set(about, about, present{})
	v.set(about, about+".type", s.Type.Name)
	v.settings(about, about+".settings", s.Type.Name, s.Settings)
}

func (v values) sink(s *Sink) {
	about := ofSink(s.Name)
	v.set(about, about, present{})
	v.set(about, about+".type", s.Type.Name)
	v.settings(about, about+".settings", s.Type.Name, s.Settings)
	v.set(about, about+".format", s.Format.Name)
	v.settings(about, about+".format_settings", s.Format.Name, s.FormatSettings)
	v.set(ofNames, about+".sources", slices.Sorted(slices.Values(s.Sources)))
	v.set(ofNames, about+".own_events", s.OwnEvents)
	v.set(about, about+".start", s.Start)
	v.set(about, about+".original", s.Original)
	v.set(about, about+".publish_timeout", s.PublishTimeout)
	v.set(about, about+".max_rejects", s.MaxRejects)
	v.set(about, about+".beyond_window", s.BeyondWindow)
	v.set(about, about+".evidence", s.Evidence)
	v.set(about, about+".where", s.Prepare.Where)
	v.add(about, about, reflect.ValueOf(s.Prepare))
}

// settings adds the settings of a type. Those of another type differ as a whole.
func (v values) settings(about, path, kind string, settings any) {
	if settings != nil {
		v.add(about, path, reflect.ValueOf(settings))
	}
	v.set(about, path, present{kind})
}

func (v values) set(about, path string, is any) { v[path] = value{about, is} }

// add adds a value: of a struct or a map those within it, else the value itself.
func (v values) add(about, path string, of reflect.Value) {
	switch {
	case of.Kind() == reflect.Pointer && of.IsNil():
	case of.Kind() == reflect.Pointer:
		v.set(about, path, present{})
		v.add(about, path, of.Elem())
	case of.Kind() == reflect.Struct && !single(of):
		for _, f := range fieldsOf(of) {
			at := path
			if !f.inline {
				at = join(path, f.key)
			}
			v.add(about, at, f.value)
		}
	case of.Kind() == reflect.Map:
		for it := of.MapRange(); it.Next(); {
			v.add(about, join(path, fmt.Sprint(it.Key())), it.Value())
		}
	default:
		v.set(about, path, of.Interface())
	}
}

// single reports whether a struct is one value, as a secret is.
func single(of reflect.Value) bool {
	_, isText := reflect.New(of.Type()).Interface().(encoding.TextUnmarshaler)
	_, compares := equalOf(of)
	return isText || compares
}

// differing returns the keys whose values differ, without those within another one.
func differing(was, is values) []string {
	differ := map[string]bool{}
	for key, v := range is {
		other, both := was[key]
		differ[key] = !both || !equal(reflect.ValueOf(v.is), reflect.ValueOf(other.is))
	}
	for key := range was {
		if _, both := is[key]; !both {
			differ[key] = true
		}
	}
	var keys []string
	for key, does := range differ {
		for at := parent(key); does && at != ""; at = parent(at) {
			does = !differ[at]
		}
		if sink, of := strings.CutSuffix(key, ".format_settings"); of && differ[sink+".format"] {
			does = false // Those of another format follow from it.
		}
		if does {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// equal compares two values of settings by their method Equal, if they have one as secrets
// do, and otherwise by what is in them.
func equal(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	if method, compares := equalOf(a); compares {
		return method.Call([]reflect.Value{b})[0].Bool()
	}
	switch {
	case a.Kind() == reflect.Slice && a.Len() == b.Len():
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case a.Kind() == reflect.Slice:
		return false
	case a.Kind() == reflect.Struct && allExported(a.Type()):
		for i := range a.NumField() {
			if !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func allExported(t reflect.Type) bool {
	for i := range t.NumField() {
		if !t.Field(i).IsExported() {
			return false
		}
	}
	return true
}

// equalOf returns the method Equal of a value, which takes another one of its type.
func equalOf(of reflect.Value) (method reflect.Value, compares bool) {
	method = of.MethodByName("Equal")
	if !method.IsValid() {
		return method, false
	}
	t := method.Type()
	return method, t.NumIn() == 1 && t.In(0) == of.Type() && t.NumOut() == 1 && t.Out(0).Kind() == reflect.Bool
}
