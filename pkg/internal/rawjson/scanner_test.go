package rawjson_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/rawjson"
)

// scan returns the text of the one value in text.
func scan(text []byte) (string, error) {
	s := rawjson.Scanner{In: text}
	value, err := s.Value(0)
	if err == nil {
		err = s.End()
	}
	return value, err
}

// Strings are skipped eight bytes at a time, so each byte must be judged alike
// wherever it stands.
func TestEachByteAtEachPlaceOfAString(t *testing.T) {
	for c := range 256 {
		for place := range 20 {
			text := []byte(`"abcdefghijklmnopqrst"`)
			text[1+place] = byte(c)
			_, err := scan(text)
			if got, want := err == nil, json.Valid(text); got != want {
				t.Errorf("%q: accepted %t, want %t", text, got, want)
			}
		}
	}
}

// members scans an object and returns its members in order.
func members(text string, like *rawjson.Keys) ([]string, error) {
	var all []string
	s := rawjson.Scanner{In: []byte(text)}
	err := s.Object(0, like, func(key string) error {
		value, err := s.Value(1)
		all = append(all, fmt.Sprintf("%s=%s", key, value))
		return err
	})
	return all, err
}

func TestRememberedKeysChangeNothing(t *testing.T) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf(`"key%d":%d`, i, i)
	}
	var like rawjson.Keys
	for _, text := range []string{
		`{"a":1,"b":2}`, `{"a":1,"b":2}`, `{"b":1,"a":2}`, `{"a" :1, "b":2}`, `{}`, `{"a":1}`, `{"aa":1,"b":2,"c":3}`,
		`{"\u0061":1,"b":2}`, "{\"\xff\":1,\"b\":2}", `{"b":1,"a`, `{"b":1,"a"`, `{"b":1,"a":2,}`, "{" + strings.Join(many, ",") + "}", `{"a":1,"b":2}`,
	} {
		want, wantErr := members(text, nil)
		for range 2 { // The second time its own keys are remembered.
			got, err := members(text, &like)
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) || (err == nil) != json.Valid([]byte(text)) {
				t.Errorf("%q: got %v, want %v:\n%s", text, err, wantErr, diff)
			}
		}
	}
	if len(like) != 64 {
		t.Errorf("%d keys are remembered, want 64", len(like))
	}
	if got, err := members(`{"\u0061":1}`, nil); err != nil || got[0] != "a=1" {
		t.Errorf("got %q and %v, want the meaning of the key", got, err)
	}
}

func TestAnExtentEndsWhereItsElementDoes(t *testing.T) {
	for text, want := range map[string]string{
		`nul,1`:            `nul`,
		`{"a" "]"},1`:      `{"a" "]"}`,
		`{"a":01,[,]} x]`:  `{"a":01,[,]} x`,
		`"a\",\\\"],b" ,1`: `"a\",\\\"],b" `,
		`{"a":1`:           ``,
		`"a\"`:             ``,
		`"a,`:              ``,
		`nul`:              ``,
	} {
		s := rawjson.Scanner{In: []byte(text)}
		if err := s.Extent(); (err == nil) != (want != "") || err == nil && text[:s.Pos] != want {
			t.Errorf("%s: got %s and %v, want %s", text, text[:s.Pos], err, want)
		}
	}
}

// FuzzScanner holds the scanner against encoding/json: they accept the same texts, and
// where both read a string it is the same one.
func FuzzScanner(f *testing.F) {
	for _, seed := range append(values, `{"a":[1,-0.5e+7,"x\u00e9\ud83d\ude00\ud800"],"b":null}`, `"\\\"\/"`, ` [ ] `, `{"":{}}`, "\"\xff\"", `1.`, `tru`, `"a`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := scan(data)
		if got, want := err == nil, json.Valid(data); got != want {
			t.Fatalf("got valid %v (%v), want %v: %q", got, err, want, data)
		}
		var want string
		if err != nil || value[0] != '"' || json.Unmarshal(data, &want) != nil {
			return
		}
		s := rawjson.Scanner{In: []byte(value)}
		if got, err := s.Quoted(); err != nil || got != want {
			t.Fatalf("got %q and %v, want %q", got, err, want)
		}
		if got := rawjson.Text([]byte(value)); got != want {
			t.Fatalf("got the text %q, want %q", got, want)
		}
	})
}
