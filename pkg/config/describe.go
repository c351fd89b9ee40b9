package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Reference describes every key that a configuration may have. The tags of the structs
// that a configuration is decoded into are its source (see package setting).
type Reference struct {
	Top     Setting // the keys that all configurations share
	States  []Part  // by state.type
	Sources []Part  // by the type of a source
	Sinks   []Part  // by the type of a sink
	Formats []Part
}

// Part is what one type or format adds.
type Part struct {
	Name     string
	Settings Setting

	Without []string // of a sink: the keys whose default is false, other than that of sinks
}

// Kind is what a value consists of.
type Kind int

// The kinds of values.
const (
	Text    Kind = iota
	Secret       // the key, or the key with _file
	Switch       // true or false
	Whole        // a whole number
	Number       // any number
	List         // of Item
	Map          // from any key to Item
	Mapping      // of Keys
	Never        // nothing that a file can set
)

// Setting describes a key, or a value without a key of its own: an item of a list.
type Setting struct {
	Key      string
	Kind     Kind
	Doc      string
	Default  string // as a file would have it; empty if there is none, or none of one text
	InWords  string // the default in words, for people
	Required string // as the tag has it
	Least    string
	Form     setting.Form // of Text, Secret or Whole
	Item     *Setting
	Keys     []Setting
}

// Describe returns the reference of a build.
func Describe(kinds Kinds) Reference {
	doc := defaultDocument()
	ref := Reference{Top: describe(&doc)}
	e := sourceEntry{}
	s := defaultSink
	entry := describe(&e)
	sources := ref.Top.key("sources")
	sources.Kind, sources.Item = List, &entry
	*ref.Top.key("sinks").Item = describe(&s)
	file := defaultState
	ref.States = []Part{{Name: "file", Settings: describe(&file)}}
	for _, s := range kinds.SharedStates {
		ref.States = append(ref.States, Part{Name: s.Name, Settings: describe(s.Settings())})
	}
	for _, t := range kinds.Sources {
		ref.Sources = append(ref.Sources, Part{Name: t.Name, Settings: describe(t.Settings())})
	}
	for _, t := range kinds.Sinks {
		settings := t.Settings()
		p := Part{Name: t.Name, Settings: describe(settings)}
		if _, without := settings.(sink.WithoutOriginal); without {
			p.Without = append(p.Without, "original")
		}
		if _, without := settings.(sink.WithoutEvidence); without {
			p.Without = append(p.Without, "evidence")
		}
		ref.Sinks = append(ref.Sinks, p)
	}
	for _, f := range kinds.Formats {
		ref.Formats = append(ref.Formats, Part{Name: f.Name, Settings: describe(f.Settings())})
	}
	ref.Top.key("state").key("type").Form.Values = kinds.states()
	entry.key("type").Form.Values = names(kinds.Sources, func(t source.Type) string { return t.Name })
	sinkEntry := ref.Top.key("sinks").Item
	sinkEntry.key("type").Form.Values = names(kinds.Sinks, func(t sink.Type) string { return t.Name })
	sinkEntry.key("format").Form.Values = names(kinds.Formats, func(f transform.Format) string { return f.Name })
	return ref
}

func names[T any](all []T, name func(T) string) []string {
	var list []string
	for _, t := range all {
		list = append(list, name(t))
	}
	return list
}

// key returns the setting of that key, which must be there.
func (s *Setting) key(name string) *Setting {
	for i := range s.Keys {
		if s.Keys[i].Key == name {
			return &s.Keys[i]
		}
	}
	panic("config: no key " + name)
}

// describe returns the mapping of the keys of a struct, which holds the defaults.
func describe(settings any) Setting {
	return describeValue("", reflect.ValueOf(settings).Elem(), "")
}

func describeValue(key string, v reflect.Value, tag reflect.StructTag) Setting {
	s := Setting{
		Key: key, Doc: tag.Get("doc"), InWords: tag.Get("default"), Required: tag.Get("required"), Least: tag.Get("least"),
		Form: setting.Form{Pattern: tag.Get("pattern")},
	}
	if values := tag.Get("values"); values != "" {
		s.Form.Values = strings.Split(values, "|")
	}
	switch value := v.Addr().Interface().(type) {
	case *setting.Secret:
		s.Kind = Secret
	case *deferred:
		// Where is a condition. The others have keys that depend on what an entry names.
		if s.Kind = Mapping; key == "where" {
			s.Kind, s.Form.Name = Text, "condition"
		}
	case *time.Duration:
		s.describeText((*setting.Duration)(value))
	case encoding.TextUnmarshaler:
		s.describeText(value)
	default:
		s.describeKind(v)
	}
	return s
}

func (s *Setting) describeText(value encoding.TextUnmarshaler) {
	s.Form = setting.Form{Name: "text"}
	if f, formed := value.(setting.Formed); formed {
		s.Form = f.Form()
	}
	if v := reflect.ValueOf(value).Elem(); v.IsZero() && (s.InWords != "" || v.Kind() == reflect.Slice || v.Kind() == reflect.Struct) {
		return
	}
	if m, can := value.(encoding.TextMarshaler); can {
		text, err := m.MarshalText()
		if err == nil {
			s.Default = shortened(string(text))
		}
	}
}

// shortened writes a duration without units that are zero: 10m for 10m0s.
func shortened(text string) string {
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, unit) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func (s *Setting) describeKind(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer:
		inner := reflect.New(v.Type().Elem()).Elem()
		if !v.IsNil() {
			inner.Set(v.Elem())
		}
		described := describeValue(s.Key, inner, "")
		s.Kind, s.Item, s.Keys = described.Kind, described.Item, described.Keys
	case v.Kind() == reflect.Struct:
		s.Kind, s.Keys = Mapping, describeKeys(v)
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		s.Kind = List
		if v.Kind() == reflect.Map {
			s.Kind = Map
		}
		item := describeValue("", reflect.New(v.Type().Elem()).Elem(), "")
		item.Form.Pattern, s.Form.Pattern = s.Form.Pattern+item.Form.Pattern, ""
		s.Item = &item
		if v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.String {
			s.Default = fmt.Sprint(v.Interface())
		}
	case v.Kind() == reflect.String:
		s.Kind, s.Default = Text, v.String()
	case v.Kind() == reflect.Bool:
		s.Kind, s.Default = Switch, strconv.FormatBool(v.Bool())
	case v.CanInt() || v.CanUint():
		s.Kind, s.Default = Whole, fmt.Sprint(v.Interface())
		if v.CanUint() && s.Least == "" {
			s.Least = "0"
		}
	case v.CanFloat():
		s.Kind, s.Default = Number, fmt.Sprint(v.Interface())
	default:
		s.Kind = Never
	}
	if s.InWords != "" && v.IsZero() {
		s.Default = ""
	}
}

func describeKeys(v reflect.Value) (keys []Setting) {
	for _, f := range fieldsOf(v) {
		if f.inline {
			keys = append(keys, describeKeys(f.value)...)
			continue
		}
		keys = append(keys, describeValue(f.key, f.value, f.tag))
	}
	return keys
}
