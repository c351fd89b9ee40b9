package ecs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// facts is what the schema says about the fields that the encoder writes; see
// testdata/extract.go.
type facts struct {
	Fields map[string]struct {
		Type   string
		Array  bool
		Values []string
	}
	Categories map[string][]string `json:"types_by_category"`
}

// own lists the fields outside the schema, with the kind of their values.
var own = map[string]string{
	"planetscale.audit.id":              "string",
	"planetscale.audit.action":          "string",
	"planetscale.audit.actor.type":      "string",
	"planetscale.audit.actor.id":        "string",
	"planetscale.audit.actor.name":      "string",
	"planetscale.audit.auditable.type":  "string",
	"planetscale.audit.auditable.id":    "string",
	"planetscale.audit.auditable.name":  "string",
	"planetscale.audit.target.type":     "string",
	"planetscale.audit.target.id":       "string",
	"planetscale.audit.target.name":     "string",
	"planetscale.audit.object.type":     "string",
	"planetscale.audit.object.id":       "string",
	"planetscale.audit.object.name":     "string",
	"planetscale.audit.container.type":  "string",
	"planetscale.audit.container.id":    "string",
	"planetscale.audit.container.name":  "string",
	"planetscale.audit.location":        "string",
	"planetscale.audit.metadata":        "string",
	"planetscale.audit.updated_at":      "date",
	"planetscale.audit.severity":        "integer",
	"planetscale.audit.late":            "true",
	"planetscale.audit.replayed":        "true",
	"planetscale.audit.own_token":       "true",
	"planetscale.audit.gap":             "true",
	"planetscale.audit.unmapped":        "true",
	"planetscale.audit.problem":         "string",
	"planetscale.audit.original_base64": "string",
	"planetscale.audit.truncated":       "strings",
	"planetscale.audit.epoch":           "integer",
	"planetscale.audit.note":            "string",
}

// ofPlanetScale turns the names of fields of Sluice's own log into those that own lists.
var ofPlanetScale = strings.NewReplacer("sluice.own.subject.", "planetscale.audit.auditable.", "sluice.own.", "planetscale.audit.")

// required lists the fields that a SIEM needs in every document.
var required = []string{
	"@timestamp", "ecs.version", "event.kind", "event.category", "event.type", "event.id", "event.hash", "event.module",
	"event.provider", "event.dataset", "data_stream.type", "data_stream.dataset", "data_stream.namespace",
	"observer.vendor", "organization.name", "cloud.provider",
}

func readFacts(tb testing.TB) facts {
	tb.Helper()
	f, err := schemaFacts()
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

var schemaFacts = sync.OnceValues(func() (facts, error) {
	var f facts
	text, err := os.ReadFile("testdata/facts.json")
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
})

// document is a parsed record: the value of each field by its path. An array is a []any,
// a number a json.Number.
type document map[string]any

func (d document) text(path string) string { s, _ := d[path].(string); return s }

func (d document) words(path string) []string {
	var words []string
	values, _ := d[path].([]any)
	for _, v := range values {
		words = append(words, fmt.Sprint(v))
	}
	return words
}

// judge parses a record and checks it against the schema.
func (f facts) judge(body []byte) (document, error) {
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("not UTF-8")
	}
	if i := bytes.IndexAny(body, "\n\r\u0085\u2028\u2029"); i >= 0 {
		return nil, fmt.Errorf("a line ends at byte %d", i)
	}
	d := document{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := d.value(dec, ""); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the object: %v", err)
	}
	for _, path := range required {
		if _, ok := d[path]; !ok {
			return nil, fmt.Errorf("no %s", path)
		}
	}
	for _, name := range []string{".id", ".severity"} {
		if _, ok := d[d.text("event.dataset")+name]; !ok {
			return nil, fmt.Errorf("no %s%s", d["event.dataset"], name)
		}
	}
	for path, v := range d {
		if err := f.field(path, v); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return d, f.combination(d)
}

// value reads one value. Each member of an object becomes a field. A key that occurs
// twice, a key with a dot and an object without members are errors.
func (d document) value(dec *json.Decoder, path string) error {
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	switch t {
	case json.Delim('{'):
		return d.members(dec, path)
	case json.Delim('['):
		elements := []any{}
		for dec.More() {
			var v any
			if err := dec.Decode(&v); err != nil {
				return fmt.Errorf("%q: %w", path, err)
			}
			elements = append(elements, v)
		}
		d[path] = elements
		_, err = dec.Token()
		return err
	}
	d[path] = t
	return nil
}

func (d document) members(dec *json.Decoder, path string) error {
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		key := t.(string)
		if seen[key] || strings.Contains(key, ".") {
			return fmt.Errorf("%q: key %q occurs twice, or has a dot", path, key)
		}
		seen[key] = true
		if err := d.value(dec, strings.TrimPrefix(path+"."+key, ".")); err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("%q: empty object", path)
	}
	_, err := dec.Token()
	return err
}

func (f facts) field(path string, v any) error {
	if kind, ok := own[ofPlanetScale.Replace(path)]; ok {
		return ownField(kind, v)
	}
	known, ok := f.Fields[path]
	if !ok {
		return f.coordinate(path, v)
	}
	values, isArray := v.([]any)
	if isArray != known.Array {
		return fmt.Errorf("array: %v, want %v", isArray, known.Array)
	}
	if !isArray {
		values = []any{v}
	}
	if len(values) == 0 {
		return fmt.Errorf("empty array")
	}
	for _, v := range values {
		if err := schemaValue(known.Type, known.Values, v); err != nil {
			return err
		}
	}
	return nil
}

// coordinate checks a member of a point, which is not a field by itself.
func (f facts) coordinate(path string, v any) error {
	point, member, _ := cutLast(path)
	if f.Fields[point].Type != "geo_point" {
		return fmt.Errorf("not a field of the schema")
	}
	most, ok := map[string]float64{"lat": 90, "lon": 180}[member]
	n, isNumber := v.(json.Number)
	degrees, err := n.Float64()
	if !ok || !isNumber || err != nil || math.Abs(degrees) > most {
		return fmt.Errorf("%T %v is not a coordinate", v, v)
	}
	return nil
}

func cutLast(path string) (before, after string, found bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return path, "", false
	}
	return path[:i], path[i+1:], true
}

func schemaValue(kind string, allowed []string, v any) error {
	if kind == "long" {
		return ownField("integer", v)
	}
	s, ok := v.(string)
	if !ok || s == "" {
		return fmt.Errorf("%T %v, want a string that is not empty", v, v)
	}
	if len(allowed) > 0 && !slices.Contains(allowed, s) {
		return fmt.Errorf("%q is not one of %q", s, allowed)
	}
	switch kind {
	case "date":
		return date(s)
	case "ip":
		if ip, err := netip.ParseAddr(s); err != nil || ip.Zone() != "" {
			return fmt.Errorf("%q is not an address: %w", s, err)
		}
	case "keyword", "constant_keyword", "match_only_text":
	default:
		return fmt.Errorf("this test does not know type %s", kind)
	}
	return nil
}

func ownField(kind string, v any) error {
	ok := false
	switch kind {
	case "string":
		s, isString := v.(string)
		ok = isString && s != ""
	case "strings":
		_, ok = v.([]any)
	case "true":
		ok = v == true
	case "integer":
		n, isNumber := v.(json.Number)
		_, err := n.Int64()
		ok = isNumber && err == nil
	case "date":
		s, _ := v.(string)
		return date(s)
	}
	if !ok {
		return fmt.Errorf("%T %v, want %s", v, v, kind)
	}
	return nil
}

func date(s string) error {
	const layout = "2006-01-02T15:04:05.000Z"
	if t, err := time.Parse(layout, s); err != nil || t.Format(layout) != s {
		return fmt.Errorf("%q is not a time with milliseconds in UTC: %w", s, err)
	}
	return nil
}

// combination checks categories and types as Elastic does: at least one of the categories
// must expect each type.
func (f facts) combination(d document) error {
	var expected []string
	for _, category := range d.words("event.category") {
		expected = append(expected, f.Categories[category]...)
	}
	for _, kind := range d.words("event.type") {
		if !slices.Contains(expected, kind) {
			return fmt.Errorf("event.type %s is not expected of event.category %v", kind, d["event.category"])
		}
	}
	return nil
}
