package config

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
	"github.com/sluice-siem/sluice/pkg/internal/nearest"
)

// unknownKey also marks the key that was probably meant. Otherwise that one would be
// reported as missing. home is the part of the settings that has this key; empty if none
// does.
func (d *decoder) unknownKey(path string, p pair, known []string, home string) {
	meant := join(path, nearest.Word(p.key, known))
	switch odd := glyph.In(p.key); {
	case home != "":
		meant = join(join(path, home), p.key)
		d.report.blame(p.at, p.path, "unknown key here; move it into %s, where it belongs", home)
		d.misplaced[join(path, home)] = append(d.misplaced[join(path, home)], p.key)
	case odd != "":
		d.report.blame(p.at, p.path, "unknown key; it has %s in it: write plain ASCII", odd)
	case strings.Contains(p.key, "${"):
		d.report.blame(p.at, p.path, "unknown key; variables are not replaced in keys: write the key itself")
	default:
		d.report.blame(p.at, p.path, "unknown key; %s", advice(p.key, known))
	}
	if !d.report.given(meant) {
		d.report.blamed[meant] = true
	}
}

// homes returns which of the mappings in a struct has a key, for keys that are in one of
// them only. A key is often written a level too high.
func (d *decoder) homes(path string, v reflect.Value) map[string]string {
	parts := map[string]reflect.Value{}
	for _, f := range fieldsOf(v) {
		if f.value.Kind() == reflect.Struct && !f.inline {
			parts[f.key] = f.value
		}
	}
	if settings := d.settings[path]; settings != nil {
		parts["settings"] = reflect.ValueOf(settings).Elem()
	}
	homes := map[string]string{}
	for home, part := range parts {
		for key := range slotsOf(part) {
			if _, another := homes[key]; another {
				homes[key] = ""
				continue
			}
			homes[key] = home
		}
	}
	return homes
}

// typeOf returns the type that an entry names; empty if it names none.
func typeOf(entry ast.Node) string {
	m, ok := entry.(ast.MapNode)
	if !ok {
		return ""
	}
	for it := m.MapRange(); it.Next(); {
		if it.Key().String() == "type" {
			return it.Value().String()
		}
	}
	return ""
}
