package where

import (
	"errors"
	"strconv"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// read decodes the members of a JSON object that are mentioned. It reads nothing from any
// other value.
func (m *mention) read(into map[string]any, text []byte) {
	i := rawjson.Space(text, 0)
	if i == len(text) || text[i] != '{' {
		return
	}
	i++
	for more := true; more; {
		key, value, ok := rawjson.Member(text, i)
		if !ok {
			return
		}
		end := rawjson.Value(text, value)
		if name := rawjson.Text(key); m.keys == nil || m.keys[name] {
			into[name] = decode(text[value:end])
		}
		i, more = rawjson.Next(text, end)
	}
}

// decode returns a value for an expression: a text, a bool, an int (a float64 if the number
// is not an integer or too large), a list, a map or nil.
func decode(text []byte) any {
	if len(text) == 0 { // Only if the text is not JSON.
		return nil
	}
	switch text[0] {
	case '"':
		return rawjson.Text(text)
	case '{':
		object := map[string]any{}
		(&mention{}).read(object, text)
		return object
	case '[':
		return decodeList(text)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	if n, err := strconv.Atoi(string(text)); err == nil {
		return n
	}
	// A number that is too large for a float64 becomes infinite, which compares well.
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil
	}
	return number
}

func decodeList(text []byte) []any {
	list := []any{}
	i := rawjson.Space(text, 1)
	for more := i < len(text) && text[i] != ']'; more; {
		end := rawjson.Value(text, i)
		list = append(list, decode(text[i:end]))
		i, more = rawjson.Next(text, end)
	}
	return list
}
