package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/internal/glyph"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// pair is a key of a mapping and its value.
type pair struct {
	key, path string
	at        place
	value     ast.Node
}

// mapping returns the pairs of a mapping. Of a repeated key it returns the first. An
// absent value ("settings:" with nothing below it) is an empty mapping. Messages show
// only the keys that presentable accepts.
func (d *decoder) mapping(path string, n ast.Node, presentable func(key string, value ast.Node) bool) ([]pair, bool) {
	if _, null := n.(*ast.NullNode); null {
		return nil, true
	}
	m, ok := n.(ast.MapNode)
	if !ok {
		d.report.blame(at(n), path, "%s", wantsKeys(n, nil))
		return nil, false
	}
	var pairs []pair
	first := map[string]place{}
	for it := m.MapRange(); it.Next(); {
		key, ok := d.key(path, it.Key())
		if !ok {
			continue
		}
		p := pair{key: key, path: join(path, key), at: at(it.Key()), value: it.Value()}
		if !presentable(key, p.value) {
			d.report.hidden[p.path] = path
		}
		if before, twice := first[key]; twice {
			d.report.blame(p.at, p.path, "given twice, first in line %d; write it once", before.line)
			continue
		}
		first[key] = p.at
		d.report.places[p.path] = p.at
		pairs = append(pairs, p)
	}
	return pairs, true
}

// wantsKeys says what to write in place of a node where the known keys belong. Few known
// keys are named.
func wantsKeys(n ast.Node, known []string) string {
	names := "keys and values"
	switch {
	case len(known) == 1:
		names = "the key " + known[0]
	case len(known) > 1 && len(known) <= 6:
		names = "the keys " + strings.Join(known, ", ")
	}
	switch n := n.(type) {
	case *ast.BoolNode:
		return wantsSwitch(n.Value, names)
	case *ast.StringNode:
		if on, is := switches[strings.ToLower(n.Value)]; is && len(known) > 0 {
			return wantsSwitch(on, names)
		}
		odd := glyph.In(n.Value)
		key, value, colon := strings.Cut(n.Value, ":")
		switch {
		case odd != "":
			return "is a single value with " + odd + " in it; write plain ASCII, one \"key: value\" a line"
		case colon && value != "" && goodKey.MatchString(key):
			return "is a single value; write a space after the colon, as in \"key: value\""
		case strings.Contains(n.Value, "="):
			return "is a single value; write a colon and a space in place of =, as in \"key: value\""
		}
	}
	return fmt.Sprintf("is %s; write %s, one \"key: value\" a line", form(n), names)
}

// switches are words that YAML once took for true and false, and others like them.
var switches = map[string]bool{"yes": true, "on": true, "enabled": true, "no": false, "off": false, "disabled": false, "none": false}

// wantsSwitch says what to write in place of true or false where keys belong.
func wantsSwitch(on bool, names string) string {
	if on {
		return "is a switch, and keys belong here; write {} for the defaults, or " + names
	}
	return "is a switch, and keys belong here; remove it to switch it off"
}

func (d *decoder) key(path string, n ast.MapKeyNode) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.MergeKeyNode:
		d.report.add(at(n), path, "<<, a merge key of YAML, is not supported; write the keys out")
	default:
		d.report.add(at(n), path, "a key is not plain text; write \"key: value\"")
	}
	return "", false
}

// slot is a field that a key sets.
type slot struct {
	value reflect.Value
	file  bool // the key names the file of a secret
}

// slotsOf returns the fields of a struct by their keys.
func slotsOf(v reflect.Value) map[string]slot {
	slots := map[string]slot{}
	for _, f := range fieldsOf(v) {
		if f.inline {
			for key, s := range slotsOf(f.value) {
				slots[key] = s
			}
			continue
		}
		slots[f.key] = slot{value: f.value}
		if _, secret := f.value.Interface().(setting.Secret); secret {
			slots[f.key+"_file"] = slot{value: f.value, file: true}
		}
	}
	return slots
}

// field is an exported field of a struct.
type field struct {
	key    string
	value  reflect.Value
	inline bool // its own fields are keys of the outer struct
	tag    reflect.StructTag
}

// fieldsOf reads the yaml tags of a struct: `yaml:"key"`, `yaml:"-"` for a field
// that is not configured, `yaml:",inline"`, which embedded structs without a
// key have of themselves. A field without a tag has its name in lower case.
func fieldsOf(v reflect.Value) []field {
	var fields []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		inline := f.Type.Kind() == reflect.Struct && key == "" && (f.Anonymous || options == "inline")
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		fields = append(fields, field{key: key, value: v.Field(i), inline: inline, tag: f.Tag})
	}
	return fields
}
