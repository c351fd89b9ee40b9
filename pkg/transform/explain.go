package transform

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
	"github.com/sluice-siem/sluice/pkg/source"
)

// Field is a field of a record, and the rule that made it.
type Field struct {
	Name  string // as in a search, such as "event.category"; [i] after an array of objects
	Value string // as in the record
	Rule  string // for people; starts with ByCatalogue if the catalogue decides; empty if unknown
}

// ByCatalogue is the start of a rule by which the catalogue decides. The key of the entry
// or of the catalogue's rule follows.
const ByCatalogue = "catalogue: "

// The rules of the fields of lanes with evidence.
const (
	Sequence = "set by Sluice: place of the record in its lane's log, with evidence"
	Epoch    = "set by Sluice: how often the lane was taken, with evidence"
	Note     = "set by Sluice: a signed statement about the lane's log, with evidence"
)

// ExplainedBy returns the format with a function that explains its records. The function
// reads the record that the encoder wrote, so the two cannot disagree about its content,
// and adds the rule of each field. The rules use the names of the product, see Words.
func (f Format) ExplainedBy(explain func(p *source.Product, body []byte) ([]Field, error)) Format {
	f.Explain = explain
	return f
}

// Words returns a replacer of placeholders by the names of a product: {product} and
// {dataset}; {first}, {second} and {objects}, the product's names for its objects; {id},
// {time}, {actor.name}, {first.id} and so on, the keys of the raw event.
func Words(p *source.Product) *strings.Replacer {
	k, names := &p.Keys, p.ObjectNames()
	objects := names[0]
	if p.Objects[1] != "" {
		objects += " and " + names[1]
	}
	words := []string{
		"{product}", p.Name, "{dataset}", p.Dataset,
		"{first}", names[0], "{second}", names[1], "{objects}", objects,
		"{id}", k.ID, "{time}", k.Time, "{modified}", k.Modified, "{action}", k.Action, "{verb}", k.Verb,
		"{remote_ip}", k.RemoteIP, "{location}", k.Location, "{metadata}", k.Metadata,
	}
	for name, party := range map[string]source.Party{"actor": k.Actor, "first": k.Objects[0], "second": k.Objects[1]} {
		words = append(words, "{"+name+".id}", party.ID, "{"+name+".type}", party.Type, "{"+name+".name}", party.Name)
	}
	for i := 0; i < len(words); i += 2 {
		words[i+1] = cmp.Or(words[i+1], strings.Trim(words[i], "{}"))
	}
	return strings.NewReplacer(words...)
}

// ExplainJSON explains records that are JSON objects. It has a rule for each path: names
// joined by dots, with [] after an array of objects. Paths may have placeholders too.
func ExplainJSON(rules map[string]string) func(p *source.Product, body []byte) ([]Field, error) {
	return func(p *source.Product, body []byte) ([]Field, error) {
		words, ruled := Words(p), make(map[string]string, len(rules))
		for path, rule := range rules {
			ruled[words.Replace(path)] = words.Replace(rule)
		}
		var fields []Field
		each("", body, func(path string, value []byte) {
			fields = append(fields, Field{Name: path, Value: string(value), Rule: ruled[arrayIndex.ReplaceAllString(path, "[]")]})
		})
		return fields, nil
	}
}

var arrayIndex = regexp.MustCompile(`\[[0-9]+\]`)

// each calls leaf for the values in a JSON value that are neither objects nor arrays of
// objects, in their order.
func each(path string, value []byte, leaf func(path string, value []byte)) {
	first := rawjson.Space(value, 1)
	switch {
	case len(value) > 1 && value[0] == '{':
		for i, more := first, true; more; {
			key, begin, ok := rawjson.Member(value, i)
			if !ok {
				return
			}
			name := string(rawjson.Unquote(nil, key))
			if path != "" {
				name = path + "." + name
			}
			end := rawjson.Value(value, begin)
			each(name, value[begin:end], leaf)
			i, more = rawjson.Next(value, end)
		}
	case first < len(value) && value[0] == '[' && value[first] == '{':
		for n, i, more := 0, first, true; more; n++ {
			end := rawjson.Value(value, i)
			each(path+"["+strconv.Itoa(n)+"]", value[i:end], leaf)
			i, more = rawjson.Next(value, end)
		}
	default:
		leaf(path, value)
	}
}
