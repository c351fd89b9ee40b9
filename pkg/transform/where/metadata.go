package where

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// read decodes the members that are mentioned of an object in JSON. Of anything
// else than an object there is nothing to read.
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
		if name := unquoted(key); m.keys == nil || m.keys[name] {
			into[name] = decode(text[value:end])
		}
		i, more = rawjson.Next(text, end)
	}
}

// unquoted is what a string means. It shares memory with the event where it can:
// what an expression sees is forgotten before the event is.
func unquoted(quoted []byte) string {
	if rawjson.Plain(quoted) {
		return unsafe.String(&quoted[0], len(quoted))[1 : len(quoted)-1]
	}
	return string(rawjson.Unquote(nil, quoted))
}

// decode builds what an expression sees of one value: text, a bool, an int (or a
// float64 where the number is none or too large), a list, a map or nil.
func decode(text []byte) any {
	if len(text) == 0 { // Only where the text is not JSON after all.
		return nil
	}
	switch text[0] {
	case '"':
		return unquoted(text)
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
	// A number beyond what a float64 can hold is infinite, which compares well.
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
