package elasticsearch_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

func TestDocumentID(t *testing.T) {
	long := strings.Repeat("x", 508)
	for _, tt := range []struct{ organization, id, want string }{
		{"acme", "01h9", "acme|01h9"},
		{"", "own:QJ3T", "|own:QJ3T"},
		{"acme", "a|b", "acme|a|b"},
		{"abc", long, "abc|" + long},
		{"acme", long, "sha256-"},
		{"a|b", "c", "sha256-"},
		{"acme", "\xff", "sha256-"},
		{"acme", "", ""},
	} {
		got := elasticsearch.DocumentID(sink.Record{Organization: tt.organization, ID: tt.id})
		if hashed := tt.want == "sha256-"; hashed && (!strings.HasPrefix(got, tt.want) || len(got) != len("sha256-")+64) || !hashed && got != tt.want {
			t.Errorf("%.20q, %.20q: got %.100q, want %.100q", tt.organization, tt.id, got, tt.want)
		}
	}
}

// Two records have one id only if they are of one event: a collision would be taken for an
// event that is there already.
func TestDocumentIDsDiffer(t *testing.T) {
	word := rapid.OneOf(rapid.StringMatching(`[a|]{0,3}`), rapid.StringN(0, 4, -1), rapid.Just(strings.Repeat("x", 600)), rapid.SampledFrom([]string{"\xff", "\xfe", "\ufffd", "sha256-"}))
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) sink.Record {
			return sink.Record{Organization: word.Draw(t, name+" organization"), ID: word.Filter(func(s string) bool { return s != "" }).Draw(t, name)}
		}
		a, b := draw("a"), draw("b")
		same := a.Organization == b.Organization && a.ID == b.ID
		idA, idB := elasticsearch.DocumentID(a), elasticsearch.DocumentID(b)
		if (idA == idB) != same {
			t.Fatalf("%q and %q have the ids %q and %q", a.Organization+"/"+a.ID, b.Organization+"/"+b.ID, idA, idB)
		}
		if len(idA) > 512 || !utf8.ValidString(idA) {
			t.Fatalf("%q is no id", idA)
		}
	})
}

// What the cluster stores is the record, with what a data stream requires.
func TestDocuments(t *testing.T) {
	const at = `"@timestamp":"2026-03-04T05:06:07.000Z"`
	for _, tt := range []struct{ name, body, want string }{
		{"an object with a time", `{` + at + `,"n":1}`, `{` + at + `,"n":1}`},
		{"its time is not the first", `{"a":{"@timestamp":1},"b":[{}, "x"],` + at + `}`, `{"a":{"@timestamp":1},"b":[{}, "x"],` + at + `}`},
		{"its time has an escape", `{"\u0040timestamp":"2026-03-04T05:06:07.000Z"}`, `{"\u0040timestamp":"2026-03-04T05:06:07.000Z"}`},
		{"no time", `{"n":1}`, `{` + at + `,"n":1}`},
		{"a time deeper down", `{"a":{"@timestamp":1}}`, `{` + at + `,"a":{"@timestamp":1}}`},
		{"an empty object", ` { } `, `{` + at + ` } `},
		{"a line end between tokens", "{\n\"n\":1\n}", `{` + at + `, "n":1 }`},
		{"no object", `["a"]`, `{` + at + `,"event":{"original":"[\"a\"]"}}`},
		{"no JSON", "{\n", `{` + at + `,"event":{"original":"{\u000a"}}`},
		{"two objects", `{}{"create":{}}`, `{` + at + `,"event":{"original":"{}{\"create\":{}}"}}`},
		{"deep", nested(100), `{` + at + `,` + nested(100)[1:]},
		{"deep, with a bracket in a text", strings.Replace(nested(100), "1", `"{"`, 1), `{` + at + `,` + strings.Replace(nested(100), "1", `"{"`, 1)[1:]},
		{"too deep", nested(101), `{` + at + `,"event":{"original":` + quoted(nested(101)) + `}}`},
		{"arrays that are too deep", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
			`{` + at + `,"event":{"original":"{\"a\":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}"}}`},
		{"wide, and brackets in a text", `{"a":[` + strings.Repeat(`{},`, 200) + `"` + strings.Repeat(`[{\"`, 200) + `"]}`,
			`{` + at + `,"a":[` + strings.Repeat(`{},`, 200) + `"` + strings.Repeat(`[{\"`, 200) + `"]}`},
		{"not UTF-8", "{\"a\":\"\xff\"}", `{` + at + `,"event":{"original":"{\"a\":\"` + "\ufffd" + `\"}"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
				rec := record(0, tt.body)
				rec.Object, rec.Format = false, "raw"
				if err := r.publish(t, []sink.Record{rec}); err != nil {
					t.Fatal(err)
				}
				if got := string(r.Documents()[0].Body); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if !json.Valid(r.Documents()[0].Body) {
					t.Error("it is not JSON")
				}
			})
		})
	}
}

// nested is an object with that many levels.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + `1` + strings.Repeat(`}`, levels)
}

// Formats that promise objects nest as deep as the event does.
func TestADeepRecordOfAnyFormatIsText(t *testing.T) {
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		if err := r.publish(t, []sink.Record{record(0, nested(5000))}); err != nil {
			t.Fatal(err)
		}
		if got := string(r.Documents()[0].Body); !strings.Contains(got, `"event":{"original":"{\"a\":`) {
			t.Errorf("got %.100s", got)
		}
	})
}

// An index takes records as they are, since it requires no time.
func TestAnIndexNeedsNoTime(t *testing.T) {
	bubble(t, estest.Config{}, func(t *testing.T, r *rig) {
		r.settings.Index = "audit-{dataset}"
		if err := r.publish(t, []sink.Record{record(0, `{"n":1}`)}); err != nil {
			t.Fatal(err)
		}
		d := r.Documents()[0]
		if string(d.Body) != `{"n":1}` || d.Target != "audit-planetscale.audit" {
			t.Errorf("got %s in %s", d.Body, d.Target)
		}
	})
}
