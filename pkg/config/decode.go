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

// deferred is a node that is decoded once more is known: what it decodes into,
// or the defaults it is laid over.
type deferred struct {
	node ast.Node
	path string
}

// fill decodes a deferred node into what target points at. An absent one
// leaves it as it is.
func (t *tree) fill(d deferred, target any) {
	if d.node != nil {
		t.decode(d.path, d.node, reflect.ValueOf(target).Elem())
	}
}

// decode sets v, which is addressable and holds its default, to what n says.
func (t *tree) decode(path string, n ast.Node, v reflect.Value) {
	if d, ok := v.Addr().Interface().(*deferred); ok {
		d.path = path
	}
	if !t.plain(path, n) {
		return
	}
	switch target := v.Addr().Interface().(type) {
	case *deferred:
		target.node = n
	case *setting.Secret:
		t.decodeSecret(path, n, target, false)
	case *time.Duration:
		t.decodeText(path, n, (*setting.Duration)(target))
	case encoding.TextUnmarshaler:
		t.decodeText(path, n, target)
	default:
		t.decodeKind(path, n, v)
	}
}

func (t *tree) decodeKind(path string, n ast.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		// Defaults share what they point at with other settings of their type, so
		// it is a copy that is written to.
		target := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			target.Elem().Set(v.Elem())
		}
		t.decode(path, n, target.Elem())
		v.Set(target)
	case reflect.Struct:
		t.decodeStruct(path, n, v)
	case reflect.Slice:
		t.decodeSlice(path, n, v)
	case reflect.Map:
		t.decodeMap(path, n, v)
	default:
		t.decodeScalar(path, n, v)
	}
}

func (t *tree) decodeStruct(path string, n ast.Node, v reflect.Value) {
	slots := slotsOf(v)
	known := slices.Collect(maps.Keys(slots))
	pairs, ok := t.mapping(path, n, func(key string, _ ast.Node) bool {
		return slices.Contains(known, key) || suggest(key, known) != ""
	})
	if !ok {
		return
	}
	secrets := map[*setting.Secret]string{}
	for _, p := range pairs {
		s, ok := slots[p.key]
		if !ok {
			t.unknownKey(path, p, known)
			continue
		}
		secret, isSecret := s.value.Addr().Interface().(*setting.Secret)
		if !isSecret {
			t.decode(p.path, p.value, s.value)
			continue
		}
		if other, given := secrets[secret]; given {
			t.blame(p.at, p.path, "given together with %s; keep one of them", other)
			continue
		}
		secrets[secret] = p.key
		if t.plain(p.path, p.value) {
			t.decodeSecret(p.path, p.value, secret, s.file)
		}
	}
}

// unknownKey takes the key that was probably meant for told, lest it be called
// missing too.
func (t *tree) unknownKey(path string, p pair, known []string) {
	t.blame(p.at, p.path, "unknown key; %s", advice(p.key, known))
	meant := join(path, suggest(p.key, known))
	if _, given := t.places[meant]; !given {
		t.blamed[meant] = true
	}
}

// decodeSecret never tells the value, whatever is wrong with it.
func (t *tree) decodeSecret(path string, n ast.Node, secret *setting.Secret, file bool) {
	text, ok := t.text(path, n)
	if !ok {
		return
	}
	hint := "write the secret itself"
	switch {
	case !file:
		*secret = setting.NewSecret(text)
	case text == "":
		t.blame(at(n), path, "is empty; write the path of a file")
		return
	default:
		*secret = setting.SecretFile(text)
		hint = "write the path of a file that holds the secret"
	}
	if _, err := secret.Value(); err != nil {
		t.blame(at(n), path, "%s; %s", withoutQuotations(err), hint)
	}
}

func (t *tree) decodeText(path string, n ast.Node, target encoding.TextUnmarshaler) {
	s, ok := t.scalar(path, n)
	if !ok {
		return
	}
	if err := target.UnmarshalText([]byte(s.text)); err != nil {
		t.blame(at(n), path, "%s", withoutQuotations(err))
	}
}

// decodeSlice replaces the default.
func (t *tree) decodeSlice(path string, n ast.Node, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		t.blame(at(n), path, "is %s; write a list, one \"- …\" a line", form(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		p := index(path, i)
		t.places[p] = at(item)
		t.decode(p, item, out.Index(i))
	}
	v.Set(out)
}

// decodeMap replaces the default. A key that is wrong is left out.
func (t *tree) decodeMap(path string, n ast.Node, v reflect.Value) {
	pairs, ok := t.mapping(path, n, isName)
	if !ok {
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(pairs))
	for _, p := range pairs {
		item := reflect.New(v.Type().Elem()).Elem()
		t.decode(p.path, p.value, item)
		out.SetMapIndex(reflect.ValueOf(p.key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}
