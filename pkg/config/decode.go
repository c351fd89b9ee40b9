package config

import (
	"cmp"
	"encoding"
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-siem/sluice/pkg/internal/nearest"
	"github.com/sluice-siem/sluice/pkg/internal/statedir"
	"github.com/sluice-siem/sluice/pkg/setting"
)

// deferred is a node to decode later, once its type or its defaults are known.
type deferred struct {
	node ast.Node
	path string
}

// decoder turns the nodes of a file into the values of its document and of settings.
type decoder struct {
	report   *report
	env      func(string) (string, bool)
	settings map[string]any // what an entry's settings decode into, by the path of the entry

	misplaced map[string][]string // keys that were found a level too high, by the path where they belong
}

func newDecoder(r *report, env func(string) (string, bool)) *decoder {
	return &decoder{report: r, env: env, settings: map[string]any{}, misplaced: map[string][]string{}}
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
		d.decodeSecret(path, n, target, "")
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
	known := slices.Sorted(maps.Keys(slots))
	homes := d.homes(path, v)
	if _, isMap := n.(ast.MapNode); !isMap && n.Type() != ast.NullType {
		d.report.blame(at(n), path, "%s", wantsKeys(n, known))
		return
	}
	pairs, _ := d.mapping(path, n, func(key string, _ ast.Node) bool {
		return slices.Contains(known, key) || nearest.Word(key, known) != "" || homes[key] != ""
	})
	secrets := map[*setting.Secret]string{}
	for _, p := range pairs {
		s, ok := slots[p.key]
		if !ok {
			d.unknownKey(path, p, known, homes[p.key])
			if secret, isSecret := secretIn(slots[nearest.Word(p.key, known)]); isSecret {
				*secret = unreadable
			}
			continue
		}
		secret, isSecret := secretIn(s)
		if !isSecret {
			d.decode(p.path, p.value, s.value)
			continue
		}
		if other, given := secrets[secret]; given {
			d.report.blame(p.at, p.path, "given together with %s; keep one of them", other)
			continue
		}
		secrets[secret] = p.key
		*secret = unreadable
		switch {
		case !d.plain(p.path, p.value):
		case s.file:
			d.decodeSecretFile(p.path, p.value, secret)
		default:
			d.decodeSecret(p.path, p.value, secret, p.key+"_file")
		}
	}
}

func secretIn(s slot) (*setting.Secret, bool) {
	if !s.value.IsValid() {
		return nil, false
	}
	secret, is := s.value.Addr().Interface().(*setting.Secret)
	return secret, is
}

// unreadable stands for a secret whose problem was reported, so that it does not count as
// missing, too.
var unreadable = setting.NewSecret("")

// decodeSecret never shows the value in a problem. fileKey is the key for the path of a
// file with the secret; "" if there is none.
func (d *decoder) decodeSecret(path string, n ast.Node, secret *setting.Secret, fileKey string) {
	s, ok := d.scalarAs(asSecret(fileKey), path, n)
	if ok && d.isNoSwitch(path, n) {
		*secret = setting.NewSecret(s.text)
		d.readable(path, n, *secret, "write the secret itself")
	}
}

func (d *decoder) decodeSecretFile(path string, n ast.Node, secret *setting.Secret) {
	s, ok := d.scalarAs(asPath, path, n)
	switch {
	case !ok || !d.isNoSwitch(path, n) || !d.isBare(path, n, s.text):
	case s.text == "":
		d.report.blame(at(n), path, "is empty; write the path of a file")
	default:
		*secret = setting.SecretFile(s.text)
		d.readable(path, n, *secret, "write the path of a file that holds the secret")
	}
}

// readable reports why a secret has no value.
func (d *decoder) readable(path string, n ast.Node, secret setting.Secret, hint string) {
	_, err := secret.Value()
	if err == nil {
		return
	}
	problem := withoutQuotations(err)
	if !strings.Contains(problem, "; ") {
		problem += "; " + cmp.Or(permit(err), hint)
	}
	d.report.blame(at(n), path, "%s", problem)
}

// permit says how to let sluice read a file; empty if that is not what it lacks.
func permit(err error) string {
	if file := new(fs.PathError); errors.Is(err, fs.ErrPermission) && errors.As(err, &file) {
		return statedir.Explain(err, file.Path).Hint
	}
	return ""
}

func (d *decoder) decodeText(path string, n ast.Node, target encoding.TextUnmarshaler) {
	if _, isList := n.(*ast.SequenceNode); isList && reflect.TypeOf(target).Elem().Kind() == reflect.Slice {
		d.report.blame(at(n), path, "is a list; write one text, with a comma between its parts")
		return
	}
	s, ok := d.scalar(path, n)
	if !ok {
		return
	}
	if err := target.UnmarshalText([]byte(s.text)); err != nil {
		d.report.blame(at(n), path, "%s", withoutQuotations(err))
	}
	if size, isSize := target.(*setting.Size); isSize && *size > 0 && s.text == strconv.FormatInt(size.Bytes(), 10) {
		d.report.bare[path] = true
	}
}

// decodeSlice replaces the default.
func (d *decoder) decodeSlice(path string, n ast.Node, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.report.blame(at(n), path, "is %s; write a list: [ … ], or one \"- …\" a line", form(n))
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
	if v.Type() == reflect.TypeFor[map[string]setting.Secret]() {
		v.Set(reflect.ValueOf(d.secrets(pairs)))
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

// secrets decodes a map of secrets. The secret NAME is in the file that NAME_file names, as
// for a key of a struct.
func (d *decoder) secrets(pairs []pair) map[string]setting.Secret {
	out := map[string]setting.Secret{}
	given := map[string]string{}
	for _, p := range pairs {
		name, inFile := strings.CutSuffix(p.key, "_file")
		if other, twice := given[name]; twice {
			d.report.blame(p.at, p.path, "given together with %s; keep one of them", other)
			continue
		}
		given[name] = p.key
		secret := unreadable
		switch {
		case !d.plain(p.path, p.value):
		case inFile:
			d.decodeSecretFile(p.path, p.value, &secret)
		default:
			d.decodeSecret(p.path, p.value, &secret, p.key+"_file")
		}
		out[name] = secret
	}
	return out
}

// scan reports what is wrong with a node whose type nobody knows: variables without a
// value, repeated keys, what is not plain YAML.
func (d *decoder) scan(later deferred) {
	if later.node != nil {
		d.scanNode(later.path, later.node)
	}
}

func (d *decoder) scanNode(path string, n ast.Node) {
	if !d.plain(path, n) {
		return
	}
	switch inner := n.(type) {
	case *ast.NullNode:
	case *ast.SequenceNode:
		for i, item := range inner.Values {
			d.scanNode(index(path, i), item)
		}
	case ast.MapNode:
		pairs, _ := d.mapping(path, n, isName)
		for _, p := range pairs {
			d.scanNode(p.path, p.value)
		}
	default:
		d.scalar(path, n)
	}
}

// plain reports whether a node is plain YAML. For any other it reports a problem with
// what to write instead.
func (d *decoder) plain(path string, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AnchorNode:
		d.report.blame(at(n), path, "begins with &, an anchor of YAML, which is not supported; quote the text, or write the value out where it is used")
	case *ast.AliasNode:
		d.report.blame(at(n), path, "begins with *, an alias of YAML, which is not supported; quote the text, or write the value out")
	case *ast.TagNode:
		d.report.swallowed(parent(path), n)
		d.report.blame(at(n), path, "begins with !, a tag of YAML, which is not supported; quote the text, or remove the tag")
	case *ast.DirectiveNode:
		d.report.blame(at(n), path, "begins with %%, a directive of YAML, which is not supported; remove it")
	default:
		return true
	}
	return false
}
