package rawjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

var values = []string{
	`null`, `true`, `-0.5e+10`, `""`, `"a\"b"`, `"a\\"`, `"\\\""`, `"\u00e9\ud83d\ude00\ud800x\ud800\u0041"`, "\"\xe9\xff\"",
	`{}`, `[]`, `[ ]`, "{ \"a\" :\t[ 1 , {\"b]}\":\"}\"} ,\n null ] , \"\":\"\" }", `[[[["\\"]]],{"a":{"b":[{}]}}]`,
	`{"id":"q7","metadata":{"from":"main","n":1842,"list":["x","y\/z"]},"last":false}`,
}

// rebuild decodes a value with nothing but this package.
func rebuild(text []byte, i int) (any, int) {
	switch text[i] {
	case '{':
		object := map[string]any{}
		for i++; ; {
			key, value, ok := rawjson.Member(text, i)
			if !ok {
				return object, value + 1
			}
			v, end := rebuild(text, value)
			object[string(rawjson.Unquote(nil, key))] = v
			next, more := rawjson.Next(text, end)
			if i = next; !more {
				return object, i
			}
		}
	case '[':
		list := []any{}
		if i = rawjson.Space(text, i+1); text[i] == ']' {
			return list, i + 1
		}
		for {
			v, end := rebuild(text, i)
			list = append(list, v)
			next, more := rawjson.Next(text, end)
			if i = next; !more {
				return list, i
			}
		}
	case '"':
		end := rawjson.String(text, i)
		return string(rawjson.Unquote(nil, text[i:end])), end
	}
	end := rawjson.Literal(text, i)
	return json.Number(text[i:end]), end
}

// reference decodes the same value with encoding/json, with literals unchanged.
func reference(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var literal func(v any) any
	literal = func(v any) any {
		switch v := v.(type) {
		case nil:
			return json.Number("null")
		case bool:
			return json.Number(map[bool]string{true: "true", false: "false"}[v])
		case []any:
			for i := range v {
				v[i] = literal(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = literal(v[k])
			}
		}
		return v
	}
	return literal(v)
}

func check(t *testing.T, text []byte) {
	t.Helper()
	start := rawjson.Space(text, 0)
	got, end := rebuild(text, start)
	if diff := cmp.Diff(reference(t, text), got); diff != "" {
		t.Errorf("%q: encoding/json (-), ours (+):\n%s", text, diff)
	}
	if value := rawjson.Value(text, start); value != end || rawjson.Space(text, end) != len(text) {
		t.Errorf("%q: Value ends at %d, its parts at %d, the text at %d", text, value, end, len(text))
	}
}

func TestAValueIsFoundWithAllItsParts(t *testing.T) {
	for _, v := range values {
		check(t, []byte(v))
		check(t, []byte(" \r\n\t"+v+"\n "))
		check(t, []byte(`{"before":[`+v+","+v+`],"after":`+v+`}`))
	}
}

func TestPlainStringsStandForTheirBytes(t *testing.T) {
	for _, v := range values {
		if v[0] != '"' {
			continue
		}
		var meant string
		if err := json.Unmarshal([]byte(v), &meant); err != nil {
			t.Fatal(err)
		}
		if got, want := rawjson.Plain([]byte(v)), strings.Trim(v, `"`) == meant; got != want {
			t.Errorf("%q: got %t, want %t", v, got, want)
		}
	}
}

func FuzzRawJSON(f *testing.F) {
	for _, v := range values {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if json.Valid(text) {
			check(t, text)
			return
		}
		for i := range text[:min(len(text), 256)] { // From each place, to the end: that is the square of the length.
			for _, end := range []int{rawjson.Space(text, i), rawjson.String(text, i) - 1, rawjson.Literal(text, i) - 1, rawjson.Value(text, i) - 1} {
				if end < i || end > len(text) {
					t.Fatalf("%q: from %d to %d", text, i, end)
				}
			}
			key, value, ok := rawjson.Member(text, i)
			if ok && value <= i || value > len(text) {
				t.Fatalf("%q: the value of the member at %d is at %d", text, i, value)
			}
			rawjson.Unquote(nil, key)
			rawjson.Unquote(nil, text[i:])
			if next, _ := rawjson.Next(text, i); next <= i {
				t.Fatalf("%q: behind %d comes %d", text, i, next)
			}
		}
	})
}
