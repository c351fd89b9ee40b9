package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// required enforces the tags required of settings and of the settings within them, which
// package setting describes. It comes after validate, and leaves out keys that have a
// problem: Validate of a type says more.
func (r *report) required(path string, v reflect.Value) {
	if _, text := v.Addr().Interface().(encoding.TextUnmarshaler); text {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			r.required(path, v.Elem())
		}
	case reflect.Struct:
		fields := flat(v)
		for _, f := range fields {
			r.demand(path, f, fields)
			r.required(join(path, f.key), f.value)
		}
	case reflect.Slice:
		for i := range v.Len() {
			r.required(index(path, i), v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(it.Value())
			r.required(join(path, fmt.Sprint(it.Key())), item)
		}
	}
}

// flat returns the fields of a struct, and in place of an inline one those within it.
func flat(v reflect.Value) (fields []field) {
	for _, f := range fieldsOf(v) {
		if f.inline {
			fields = append(fields, flat(f.value)...)
			continue
		}
		fields = append(fields, f)
	}
	return fields
}

// demand reports that a key is missing, or given where another key forbids it.
func (r *report) demand(path string, f field, all []field) {
	word, of, _ := strings.Cut(f.tag.Get("required"), " ")
	if word == "true" {
		r.demandIf(true, path, f, "write "+f.keys()+f.meaning())
		return
	}
	key, values, _ := strings.Cut(of, "=")
	i := slices.IndexFunc(all, func(other field) bool { return other.key == key })
	if i < 0 || r.settled(join(path, key)) {
		return
	}
	other, has := all[i], r.has(path, f)
	switch word {
	case "with":
		r.demandIf(r.has(path, other), path, f, "write "+f.keys()+", which "+key+" needs"+f.meaning())
	case "unless":
		if r.has(path, other) && has {
			r.forbid(path, f, "given together with "+key+"; keep one of them")
		}
		r.demandIf(!r.has(path, other), path, f, "write "+f.keys()+", or "+other.keys())
	case "if":
		list := strings.Split(values, "|")
		value := fmt.Sprint(other.value.Interface())
		applies := slices.Contains(list, value)
		if has && !applies && r.has(path, other) {
			r.forbid(path, f, "applies only if "+key+" is "+strings.Join(list, " or ")+"; remove the key")
		}
		r.demandIf(applies, path, f, "write "+f.keys()+", which "+key+" "+value+" needs"+f.meaning())
	}
}

func (r *report) demandIf(needed bool, path string, f field, hint string) {
	at := join(path, f.key)
	switch {
	case !needed || r.has(path, f) || r.settled(at):
	case r.given(at):
		r.reject(at, "is empty; %s", hint)
	default:
		r.reject(at, "missing; %s", hint)
	}
}

func (r *report) forbid(path string, f field, text string) {
	if at := join(path, f.key); !r.settled(at) {
		r.reject(at, "%s", text)
	}
}

// settled reports whether a key has a problem already.
func (r *report) settled(path string) bool {
	return r.unavailable(path) || !r.sound(path) || !r.sound(path+"_file")
}

// has reports whether a key has a value: that of the file or a default. An empty text or
// list is none.
func (r *report) has(path string, f field) bool {
	switch f.value.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return f.value.Len() > 0
	}
	return !f.value.IsZero() || r.given(join(path, f.key))
}

func isSecret(f field) bool { return f.value.Type() == reflect.TypeFor[setting.Secret]() }

// keys names the keys that set a field.
func (f field) keys() string {
	if isSecret(f) {
		return f.key + " or " + f.key + "_file"
	}
	return f.key
}

// meaning is what the doc of a field says first.
func (f field) meaning() string {
	doc := f.tag.Get("doc")
	if first, _, more := strings.Cut(doc, ". "); more {
		doc = first
	}
	if doc = strings.TrimSuffix(doc, "."); doc == "" {
		return ""
	}
	return ": " + doc
}
