package config

import (
	"encoding"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// deferred is a node to decode later, once its type or its defaults are known.
type deferred struct {
	node ast.Node
	path string
}

// decoder turns the nodes of a file into the values of its document and of settings.
type decoder struct {
	report *report
	env    func(string) (string, bool)
}

// fill decodes a deferred node into what target points at. An absent node changes
// nothing.
func (d *decoder) fill(later deferred, target any) {
	if later.node != nil {
		d.decode(later.path, later.node, reflect.ValueOf(target).Elem())
	}
}

// decode sets v to the value of n. v is addressable and holds its default.
func (d *decoder) decode(path string, n ast.Node, v reflect.Value) {
	if later, ok := v.Addr().Interface().(*deferred); ok {
		later.path = path
	}
	if !d.plain(path, n) {
		return
	}
	switch target := v.Addr().Interface().(type) {
	case *deferred:
		target.node = n
	case *setting.Secret:
		d.decodeSecret(path, n, target, false)
	case *time.Duration:
		d.decodeText(path, n, (*setting.Duration)(target))
	case encoding.TextUnmarshaler:
		d.decodeText(path, n, target)
	default:
		d.decodeKind(path, n, v)
	}
}

func (d *decoder) decodeKind(path string, n ast.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		// Settings of a type share what their defaults point at, so this writes to a
		// copy.
		target := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			target.Elem().Set(v.Elem())
		}
		d.decode(path, n, target.Elem())
		v.Set(target)
	case reflect.Struct:
		d.decodeStruct(path, n, v)
	case reflect.Slice:
		d.decodeSlice(path, n, v)
	case reflect.Map:
		d.decodeMap(path, n, v)
	default:
		d.decodeScalar(path, n, v)
	}
}

func (d *decoder) decodeStruct(path string, n ast.Node, v reflect.Value) {
	slots := slotsOf(v)
	known := slices.Collect(maps.Keys(slots))
	pairs, ok := d.mapping(path, n, func(key string, _ ast.Node) bool {
		return slices.Contains(known, key) || suggest(key, known) != ""
	})
	if !ok {
		return
	}
	secrets := map[*setting.Secret]string{}
	for _, p := range pairs {
		s, ok := slots[p.key]
		if !ok {
			d.unknownKey(path, p, known)
			continue
		}
		secret, isSecret := s.value.Addr().Interface().(*setting.Secret)
		if !isSecret {
			d.decode(p.path, p.value, s.value)
			continue
		}
		if other, given := secrets[secret]; given {
			d.report.blame(p.at, p.path, "given together with %s; keep one of them", other)
			continue
		}
		secrets[secret] = p.key
		if d.plain(p.path, p.value) {
			d.decodeSecret(p.path, p.value, secret, s.file)
		}
	}
}

// unknownKey also marks the key that was probably meant. Otherwise that one would be
// reported as missing.
func (d *decoder) unknownKey(path string, p pair, known []string) {
	d.report.blame(p.at, p.path, "unknown key; %s", advice(p.key, known))
	meant := join(path, suggest(p.key, known))
	if !d.report.given(meant) {
		d.report.blamed[meant] = true
	}
}

// decodeSecret never shows the value in a problem.
func (d *decoder) decodeSecret(path string, n ast.Node, secret *setting.Secret, file bool) {
	text, ok := d.text(path, n)
	if !ok {
		return
	}
	hint := "write the secret itself"
	switch {
	case !file:
		*secret = setting.NewSecret(text)
	case text == "":
		d.report.blame(at(n), path, "is empty; write the path of a file")
		return
	default:
		*secret = setting.SecretFile(text)
		hint = "write the path of a file that holds the secret"
	}
	if _, err := secret.Value(); err != nil {
		d.report.blame(at(n), path, "%s; %s", withoutQuotations(err), hint)
	}
}

func (d *decoder) decodeText(path string, n ast.Node, target encoding.TextUnmarshaler) {
	s, ok := d.scalar(path, n)
	if !ok {
		return
	}
	if err := target.UnmarshalText([]byte(s.text)); err != nil {
		d.report.blame(at(n), path, "%s", withoutQuotations(err))
	}
}

// decodeSlice replaces the default.
func (d *decoder) decodeSlice(path string, n ast.Node, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.report.blame(at(n), path, "is %s; write a list, one \"- …\" a line", form(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		p := index(path, i)
		d.report.places[p] = at(item)
		d.decode(p, item, out.Index(i))
	}
	v.Set(out)
}

// decodeMap replaces the default. It leaves out a key that is wrong.
func (d *decoder) decodeMap(path string, n ast.Node, v reflect.Value) {
	pairs, ok := d.mapping(path, n, isName)
	if !ok {
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(pairs))
	for _, p := range pairs {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(p.path, p.value, item)
		out.SetMapIndex(reflect.ValueOf(p.key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}

// plain reports whether a node is plain YAML. For any other it reports a problem with
// what to write instead.
func (d *decoder) plain(path string, n ast.Node) bool {
	switch n.(type) {
	case *ast.AnchorNode:
		d.report.blame(at(n), path, "begins with &, an anchor of YAML, which is not supported; quote the text, or write the value out where it is used")
	case *ast.AliasNode:
		d.report.blame(at(n), path, "begins with *, an alias of YAML, which is not supported; quote the text, or write the value out")
	case *ast.TagNode:
		d.report.blame(at(n), path, "begins with !, a tag of YAML, which is not supported; quote the text, or remove the tag")
	case *ast.DirectiveNode:
		d.report.blame(at(n), path, "begins with %%, a directive of YAML, which is not supported; remove it")
	default:
		return true
	}
	return false
}
