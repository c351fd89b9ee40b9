package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// validate calls Validate of settings and of the settings within them. It reports each
// error at the key that the error names.
func (r *report) validate(path string, v reflect.Value) {
	if judge, ok := v.Addr().Interface().(interface{ Validate() []error }); ok {
		for _, err := range judge.Validate() {
			r.judged(path, err)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			r.validate(path, v.Elem())
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v) {
			if f.inline {
				r.validate(path, f.value)
				continue
			}
			r.validate(join(path, f.key), f.value)
		}
	case reflect.Slice:
		for i := range v.Len() {
			r.validate(index(path, i), v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(it.Value())
			r.validate(join(path, fmt.Sprint(it.Key())), item)
		}
	}
}

func (r *report) judged(path string, err error) {
	if err == nil {
		return
	}
	// Settings that call Validate of others wrap the key of the error in a key of their
	// own.
	var key *setting.KeyError
	for errors.As(err, &key) {
		path, err = path+separator(path, key.Key)+key.Key, key.Err
	}
	if !r.unavailable(path) {
		r.reject(path, "%s", withoutQuotations(err))
	}
}

func separator(path, key string) string {
	if path == "" || key == "" || key[0] == '[' {
		return ""
	}
	return "."
}
