package transform

import (
	"regexp"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// Field is a field of a record, and the rule that made it.
type Field struct {
	Name  string // as searches name it, such as "event.category"; [i] behind an array of objects
	Value string // as it stands in the record
	Rule  string // in words; ByCatalogue in front where the catalogue decides; empty if nobody knows
}

// ByCatalogue begins a rule by which the catalogue decides. What follows is the
// key of the entry, or of the rule, that did.
const ByCatalogue = "catalogue: "

// ExplainedBy returns the format with a way to explain its records. That reads
// what the encoder wrote, so that there is no second opinion about what a record
// holds, and knows of each field the rule that makes it.
func (f Format) ExplainedBy(explain func(body []byte) ([]Field, error)) Format {
	f.Explain = explain
	return f
}

// ExplainJSON explains records that are JSON objects, by a rule for each path of
// names joined by dots, with [] behind an array of objects.
func ExplainJSON(rules map[string]string) func(body []byte) ([]Field, error) {
	return func(body []byte) ([]Field, error) {
		var fields []Field
		each("", body, func(path string, value []byte) {
			fields = append(fields, Field{Name: path, Value: string(value), Rule: rules[arrayIndex.ReplaceAllString(path, "[]")]})
		})
		return fields, nil
	}
}

var arrayIndex = regexp.MustCompile(`\[[0-9]+\]`)

// each hands out the values in a JSON value that are no objects, nor arrays of
// objects, in the order in which they stand there.
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
