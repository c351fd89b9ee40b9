package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// validate asks settings, and the settings in them, what is wrong, and points
// at the key each error names.
func (t *tree) validate(path string, v reflect.Value) {
	if judge, ok := v.Addr().Interface().(interface{ Validate() []error }); ok {
		for _, err := range judge.Validate() {
			t.judged(path, err)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			t.validate(path, v.Elem())
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v) {
			if f.inline {
				t.validate(path, f.value)
				continue
			}
			t.validate(join(path, f.key), f.value)
		}
	case reflect.Slice:
		for i := range v.Len() {
			t.validate(index(path, i), v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(it.Value())
			t.validate(join(path, fmt.Sprint(it.Key())), item)
		}
	}
}

func (t *tree) judged(path string, err error) {
	if err == nil {
		return
	}
	// Of a key within a key, as settings that call Validate of others make it,
	// each part counts.
	var key *setting.KeyError
	for errors.As(err, &key) {
		path, err = path+separator(path, key.Key)+key.Key, key.Err
	}
	if !t.settled(path) {
		t.reject(path, "%s", withoutQuotations(err))
	}
}

func separator(path, key string) string {
	if path == "" || key == "" || key[0] == '[' {
		return ""
	}
	return "."
}
