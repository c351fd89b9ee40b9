package ocsf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object is a parsed object. Values are object, []any, string, bool and
// json.Number.
type object map[string]any

// at returns the value at a path such as "resources[0].uid", nil if there is none.
func (o object) at(path string) any {
	var v any = o
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		switch in := v.(type) {
		case object:
			v = in[step]
		case []any:
			if i, err := strconv.Atoi(step); err != nil || i >= len(in) {
				return nil
			} else {
				v = in[i]
			}
		default:
			return nil
		}
	}
	return v
}

func (o object) text(path string) string { s, _ := o.at(path).(string); return s }

// parseStrictly reads one line of UTF-8 that holds one object. A key that occurs twice,
// an empty value and null are errors.
func parseStrictly(body []byte) (object, error) {
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("not UTF-8")
	}
	if i := bytes.IndexAny(body, "\n\r\u0085\u2028\u2029"); i >= 0 {
		return nil, fmt.Errorf("a line ends at byte %d", i)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	v, err := parseValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the object: %v", err)
	}
	o, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%v is not an object", v)
	}
	return o, nil
}

func parseValue(dec *json.Decoder) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case nil:
		return nil, fmt.Errorf("null")
	case json.Delim('{'):
		return parseObject(dec)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("empty array")
		}
		_, err := dec.Token()
		return list, err
	}
	return t, nil
}

func parseObject(dec *json.Decoder) (any, error) {
	o := object{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key := t.(string)
		if _, twice := o[key]; twice || strings.ContainsAny(key, ".[]") {
			return nil, fmt.Errorf("key %q occurs twice, or is not a name", key)
		}
		if o[key], err = parseValue(dec); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	if len(o) == 0 {
		return nil, fmt.Errorf("empty object")
	}
	_, err := dec.Token()
	return o, err
}
