package ocsf_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// judge parses a record and checks it against the schema.
func (f *facts) judge(body []byte) (object, error) {
	o, err := parseStrictly(body)
	if err != nil {
		return nil, err
	}
	var class thing
	for _, c := range f.Classes {
		if fmt.Sprint(c.UID) == fmt.Sprint(o["class_uid"]) {
			class = c
		}
	}
	if class.UID == 0 {
		return nil, fmt.Errorf("class_uid %v is not one of the classes", o["class_uid"])
	}
	c := check{facts: f, profiles: profiles(o)}
	if err := c.thing(class, o, ""); err != nil {
		return nil, err
	}
	if err := unmapped(o.at("unmapped")); err != nil {
		return nil, err
	}
	if v := o.at("unmapped.resources"); v != nil {
		if err := c.attribute(f.Classes["api_activity"].Attributes["resources"], v, "unmapped.resources"); err != nil {
			return nil, err
		}
	}
	return o, f.agreement(o)
}

// agreement checks rules that the schema gives only in words.
func (f *facts) agreement(o object) error {
	if got := o.at("metadata.version"); got != f.Version {
		return fmt.Errorf("metadata.version %v, want %s", got, f.Version)
	}
	if got, want := fmt.Sprint(o["type_uid"]), fmt.Sprintf("%v%02v", o["class_uid"], o["activity_id"]); got != want {
		return fmt.Errorf("type_uid %s, want %s", got, want)
	}
	observables, _ := o["observables"].([]any)
	for _, v := range observables {
		if err := f.observable(o, v.(object)); err != nil {
			return err
		}
	}
	return nil
}

// observable checks that an observable points at the value that it repeats, and has the
// type that the schema gives to the attribute there.
func (f *facts) observable(o, pointer object) error {
	name, _ := pointer["name"].(string)
	value, _ := pointer["value"].(string)
	if got := o.at(name); got != value || value == "" {
		return fmt.Errorf("observable %s: %q, but the record has %v there", name, value, got)
	}
	var attributes map[string]attribute
	for _, c := range f.Classes {
		if fmt.Sprint(c.UID) == fmt.Sprint(o["class_uid"]) {
			attributes = c.Attributes
		}
	}
	var a attribute
	for step := range strings.SplitSeq(name, ".") {
		step, _, _ = strings.Cut(step, "[")
		a = attributes[step]
		attributes = f.Objects[a.Object].Attributes
	}
	want := a.Observable
	if want == 0 {
		want = f.Types[a.Type].Observable
	}
	if got := fmt.Sprint(pointer["type_id"]); want == 0 || got != fmt.Sprint(want) {
		return fmt.Errorf("observable %s: type %s, want %d", name, got, want)
	}
	return nil
}

func profiles(o object) []string {
	var names []string
	list, _ := o.at("metadata.profiles").([]any)
	for _, name := range list {
		names = append(names, fmt.Sprint(name))
	}
	return names
}

// check checks values against the schema, as extended by profiles.
type check struct {
	*facts
	profiles []string
}

// applies reports whether an attribute is allowed in the record: it has no profile, or
// the record has it.
func (c *check) applies(a attribute) bool {
	of := a.Profiles
	if a.Profile != "" {
		of = append(of, a.Profile)
	}
	return len(of) == 0 || slices.ContainsFunc(of, func(p string) bool { return slices.Contains(c.profiles, p) })
}

func (c *check) thing(t thing, o object, path string) error {
	for name, v := range o {
		a, ok := t.Attributes[name]
		if !ok || !c.applies(a) || a.Deprecated != nil {
			return fmt.Errorf("%s.%s: unknown, deprecated, or of a profile that the record does not have", path, name)
		}
		if err := c.attribute(a, v, path+"."+name); err != nil {
			return err
		}
		if err := sibling(a, v, o); err != nil {
			return fmt.Errorf("%s.%s: %w", path, name, err)
		}
	}
	for name, a := range t.Attributes {
		if _, there := o[name]; !there && a.Requirement == "required" && c.applies(a) {
			return fmt.Errorf("%s.%s: missing, but required", path, name)
		}
	}
	return constraints(t, o, path)
}

func constraints(t thing, o object, path string) error {
	for rule, names := range t.Constraints {
		there := 0
		for _, name := range names {
			if _, ok := o[name]; ok {
				there++
			}
		}
		ok := false
		switch rule {
		case "at_least_one":
			ok = there > 0
		case "just_one":
			ok = there == 1
		}
		if !ok {
			return fmt.Errorf("%s: constraint %s of %v is broken: the record has %d of them", path, rule, names, there)
		}
	}
	return nil
}

func (c *check) attribute(a attribute, v any, path string) error {
	list, isArray := v.([]any)
	if isArray != a.Array {
		return fmt.Errorf("%s: array %t, want %t", path, isArray, a.Array)
	}
	if !isArray {
		list = []any{v}
	}
	for _, v := range list {
		if err := c.value(a, v, path); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) value(a attribute, v any, path string) error {
	if a.Type == "object_t" {
		o, ok := v.(object)
		if !ok {
			return fmt.Errorf("%s: %v is not an object", path, v)
		}
		if a.Object == "object" {
			return nil // This is unmapped, which has its own check.
		}
		t, known := c.Objects[a.Object]
		if !known {
			return fmt.Errorf("%s: this test does not know the object %s", path, a.Object)
		}
		return c.thing(t, o, path)
	}
	if err := c.scalar(a.Type, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, ok := a.Enum[fmt.Sprint(v)]; len(a.Enum) > 0 && !ok {
		return fmt.Errorf("%s: %v is not one of the values", path, v)
	}
	return nil
}

func (c *check) scalar(name string, v any) error {
	k := c.Types[name]
	base := name
	if k.Base != "" {
		base = k.Base
	}
	ok := false
	switch base {
	case "string_t":
		s, isString := v.(string)
		ok = isString && s != "" && (k.MaxLen == 0 || len(s) <= k.MaxLen) && (k.pattern == nil || k.pattern.MatchString(s))
	case "integer_t", "long_t":
		n, isNumber := v.(json.Number)
		i, err := n.Int64()
		ok = isNumber && err == nil && (name != "timestamp_t" || i >= 0)
	case "float_t":
		n, isNumber := v.(json.Number)
		_, err := n.Float64()
		ok = isNumber && err == nil
	case "boolean_t":
		_, ok = v.(bool)
	}
	if !ok {
		return fmt.Errorf("%#v is not a %s", v, name)
	}
	if name == "ip_t" {
		_, err := netip.ParseAddr(v.(string))
		return err
	}
	return nil
}

// sibling checks the text beside a number: it is the caption of the number. If the number
// means Other, any text is allowed.
func sibling(a attribute, v any, o object) error {
	if a.Sibling == "" {
		return nil
	}
	text, _ := o[a.Sibling].(string)
	if text == "" {
		return fmt.Errorf("%v without %s", v, a.Sibling)
	}
	n := fmt.Sprint(v)
	if caption := a.Enum[n].Caption; n != "99" && text != caption {
		return fmt.Errorf("%s is %q, and %s %q", n, caption, a.Sibling, text)
	}
	return nil
}

// own lists the members of unmapped, with the kinds of their values.
var own = map[string]string{
	"action":                 "string",
	"location":               "string",
	"metadata":               "string",
	"auditable_type":         "string",
	"target_type":            "string",
	"resources":              "array",
	"sluice.severity":        "number",
	"sluice.late":            "true",
	"sluice.replayed":        "true",
	"sluice.own_token":       "true",
	"sluice.gap":             "true",
	"sluice.unmapped":        "true",
	"sluice.original_base64": "string",
	"sluice.epoch":           "number",
	"sluice.note":            "string",
	"sluice.objects":         "array",
	"sluice.truncated":       "array",
}

func unmapped(v any) error {
	o, ok := v.(object)
	if !ok {
		return fmt.Errorf("unmapped is %v", v)
	}
	members := object{}
	for name, v := range o {
		if name != "sluice" {
			members[name] = v
		}
	}
	sluice, _ := o["sluice"].(object)
	for name, v := range sluice {
		members["sluice."+name] = v
	}
	for name, v := range members {
		ok := false
		switch own[name] {
		case "string":
			s, isString := v.(string)
			ok = isString && s != ""
		case "number":
			_, ok = v.(json.Number)
		case "true":
			ok = v == true
		case "array":
			_, ok = v.([]any)
		}
		if !ok {
			return fmt.Errorf("unmapped.%s: %#v, want a %q", name, v, own[name])
		}
	}
	return nil
}

func TestJudgeRefuses(t *testing.T) {
	good := string(encode(t, full, corpus.Typical()).Body)
	for _, tt := range []struct{ words, old, new string }{
		{"what follows the object", `"severity":3}}}`, `"severity":3}}}{}`},
		{"a second line", `"class_uid":`, "\n" + `"class_uid":`},
		{"a member that is there twice", `"status_id":1,`, `"status_id":1,"status_id":1,`},
		{"an empty object", `"src_endpoint":{"ip":"203.0.113.77"}`, `"src_endpoint":{}`},
		{"null", `"message":"Deploy request queued"`, `"message":null`},
		{"an unknown class", `"class_uid":6003`, `"class_uid":6001`},
		{"an unknown attribute", `"message":`, `"massage":`},
		{"an attribute of a profile that is not named", `"profiles":["cloud"],`, ``},
		{"a profile without what it requires", `"cloud":{"provider":"PlanetScale",`, `"cloud":{`},
		{"a missing attribute", `"api":{`, `"service":{`},
		{"an actor that is nobody", `"uid":"u1k9f3jd82ma","name":"ada.lovelace@example.com","full_name"`, `"full_name"`},
		{"a number of no enumeration", `"severity_id":2`, `"severity_id":9`},
		{"a caption of another number", `"severity":"Low"`, `"severity":"High"`},
		{"a number without a caption", `"status":"Success",`, ``},
		{"a type of another activity", `"type_uid":600303,"type_name":"API Activity: Update"`, `"type_uid":600302,"type_name":"API Activity: Read"`},
		{"a time that is text", `"time":1773500966535`, `"time":"1773500966535"`},
		{"a time with a fraction", `"time":1773500966535`, `"time":1773500966.535`},
		{"a time before 1970", `"time":1773500966535`, `"time":-1`},
		{"text that is no address", `"ip":"203.0.113.77"`, `"ip":"localhost"`},
		{"text that is no e-mail address", `"email_addr":"ada.lovelace@example.com"`, `"email_addr":"ada"`},
		{"an array that is none", `"profiles":["cloud"]`, `"profiles":"cloud"`},
		{"another version", `"version":"1.8.0"`, `"version":"1.7.0"`},
		{"an observable of nothing", `"name":"src_endpoint.ip"`, `"name":"dst_endpoint.ip"`},
		{"an observable of another type", `"type_id":31,"type":"User Object: uid"`, `"type_id":4,"type":"User Name"`},
		{"an observable of another value", `"value":"u1k9f3jd82ma"`, `"value":"u2"`},
		{"an unknown member of unmapped", `"unmapped":{"action"`, `"unmapped":{"auction"`},
	} {
		t.Run(tt.words, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatalf("no %s in %s", tt.old, good)
			}
			if _, err := readFacts(t).judge([]byte(bad)); err == nil {
				t.Errorf("no error: %s", bad)
			}
		})
	}
}
