package httpsink_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
)

// posted returns the events that the server gets for records.
func posted(t *testing.T, change func(*httpsink.Settings), records ...sink.Record) (events []string) {
	t.Helper()
	bubble(t, collectortest.Config{}, func(t *testing.T, r *rig) {
		change(&r.settings)
		if err := r.open(t).Publish(t.Context(), records); err != nil {
			t.Error(err)
		}
		events = r.Events()
	})
	return events
}

func as(body string) func(*httpsink.Settings) {
	return func(s *httpsink.Settings) { s.Body, s.Concurrency = body, 1 }
}

// What is JSON goes as it is, to the byte; no text can end a line or an array.
func TestBodies(t *testing.T) {
	object := record(0, `{"a":"\u003c", "b":1.50}`)
	lines := record(1, "{\"a\":\n1}")
	torn := record(2, `{"a":1}}{"forged":true`)
	text := record(3, "CEF:0|Vendor|a\nCEF:0|forged|\x1b")
	text.MediaType = "text/plain"
	quoted := `"{\"a\":1}}{\"forged\":true"`
	cef := `"CEF:0|Vendor|a\u000aCEF:0|forged|\u001b"`
	tests := map[string][]string{
		"ndjson":     {`{"a":"\u003c", "b":1.50}`, `{"a": 1}`, quoted, "CEF:0|Vendor|a CEF:0|forged|\x1b"},
		"json_array": {`{"a":"\u003c", "b":1.50}`, "{\"a\":\n1}", quoted, cef},
		"single":     {`{"a":"\u003c", "b":1.50}`, "{\"a\":\n1}", quoted, "CEF:0|Vendor|a\nCEF:0|forged|\x1b"},
	}
	for body, want := range tests {
		if diff := cmp.Diff(want, posted(t, as(body), object, lines, torn, text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func byTemplate(text string) func(*httpsink.Settings) {
	return func(s *httpsink.Settings) { s.Body, s.Template, s.Concurrency = "template", text, 1 }
}

func TestTemplate(t *testing.T) {
	r := record(7, `{"event":{"action":"branch.created","n":3},"user.name":"Ada \"L\"","tags":["a","b"]}`)
	text := record(8, "CEF:0|\"x\"|\\")
	text.MediaType = "text/plain"
	tests := []struct {
		template string
		record   sink.Record
		want     string
	}{
		{`{"id":"{{.ID}}","at":"{{.Time}}","ms":{{.UnixMilli}},"severity":{{.Severity}},"late":{{.Late}},"org":"{{.Organization}}"}`, r,
			`{"id":"id-000007","at":"2026-03-04T05:06:07.007Z","ms":1772600767007,"severity":3,"late":false,"org":"acme"}`},
		{`{"what":"{{.Field "event.action"}} by {{.Field "user.name"}}","n":"{{.Field "event.n"}}","tags":"{{.Field "tags"}}","none":"{{.Field "event.none"}}"}`, r,
			`{"what":"branch.created by Ada \"L\"","n":"3","tags":"[\"a\",\"b\"]","none":""}`},
		{`{"e":{{.Body}}}`, r, `{"e":` + string(r.Body) + `}`},
		{`{"e":{{.Body}},"t":"{{.Text}}"}`, text, `{"e":"CEF:0|\"x\"|\\","t":"CEF:0|\"x\"|\\"}`},
		{`{{if and (ge .Severity 3) (eq .Action "branch.created")}}{"alert":true}{{else}}{"alert":false}{{end}}`, r, `{"alert":true}`},
		{`{{define "id"}}"{{.ID}}"{{end}}{"id":{{template "id" .}}}`, r, `{"id":"id-000007"}`},
	}
	for _, test := range tests {
		if diff := cmp.Diff([]string{test.want}, posted(t, byTemplate(test.template), test.record)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.template, diff)
		}
	}
}

// No text of an event forges a field, wherever a template puts it.
func TestTemplatesHoldHostileText(t *testing.T) {
	const template = `{"id":"{{.ID}}","action":"{{.Action}}","org":"{{.Organization}}","name":"{{.Field "user.name"}}","any":"{{.Field "any"}}","text":"{{.Text}}","body":{{.Body}},"last":"end"}`
	fragments := rapid.SampledFrom([]string{`"`, `\`, `\"`, `","forged":"`, "\n", "\x00", "\xff", "\u2028", "{{.Body}}", "}", "]", "a", "é", `\u0022`, `%"`})
	rapid.Check(t, func(rt *rapid.T) {
		text := func(label string) string { return strings.Join(rapid.SliceOfN(fragments, 0, 8).Draw(rt, label), "") }
		r := record(0, "")
		r.ID, r.Action, r.Organization = text("id"), text("action"), text("organization")
		name, other := text("name"), text("any")
		body, err := json.Marshal(map[string]any{"user": map[string]any{"name": name}, "any": []string{other}})
		if err != nil {
			rt.Fatal(err)
		}
		r.Body = body
		if rapid.Bool().Draw(rt, "text") {
			r.MediaType, r.Body = "text/plain", []byte(text("body"))
		}
		got := posted(t, byTemplate(template), r)
		var of map[string]any
		if len(got) != 1 || json.Unmarshal([]byte(got[0]), &of) != nil {
			rt.Fatalf("got %q", got)
		}
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		if len(of) != 8 || of["last"] != "end" || len([]rune(fmt.Sprint(of["id"]))) != len([]rune(r.ID)) || valid(of["text"].(string)) != of["text"] {
			rt.Fatalf("got %q", got)
		}
	})
}

// A template that is wrong is found before anything is sent, with its line.
func TestWrongTemplates(t *testing.T) {
	tests := []struct{ template, want string }{
		{"{\n\"id\":\"{{.ID}\"}", "line 2: "},
		{"{\n\n\"id\":\"{{.Identity}}\"}", "line 3: "},
		{`{"id":"{{.Field}}"}`, "line 1: "},
		{"{\n\"id\":\"{{printf \"%p\" .ID}}\"}", "line 2: the function printf"},
		{`{"id":"{{slice .ID 0 1}}"}`, "the function slice"},
		{`{"id":"{{if true}}{{js .ID}}{{end}}"}`, "the function js"},
		{`{"id":"{{with .ID}}{{. | print}}{{end}}"}`, "the function print"},
		{`{"id":"{{range $i, $e := .ID}}{{html $e}}{{else}}{{end}}"}`, "the function html"},
		{`{{define "x"}}{{index .ID 0}}{{end}}{"id":"{{template "x" .}}"}`, "the function index"},
		{`{"id":{{.ID}}}`, "is not JSON"},
		{`{"id":"{{.Body}}"}`, "is not JSON"},
		{`{"id":"{{.ID}}",}`, "is not JSON"},
		{`{{unknown .ID}}`, "line 1: "},
	}
	for _, test := range tests {
		s := defaults("https://siem.example.com/")
		byTemplate(test.template)(&s)
		errs := s.Validate()
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "template: ") || !strings.Contains(errs[0].Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.template, errs, test.want)
		}
	}
	s := defaults("https://siem.example.com/")
	byTemplate(`{{.Organization}} did {{.Action}}`)(&s)
	s.ContentType = "text/plain"
	if errs := s.Validate(); len(errs) > 0 {
		t.Error(errs)
	}
}

// A record for which a template writes no JSON is a dead letter; the others are delivered.
func TestATemplateThatFailsForARecord(t *testing.T) {
	bubble(t, collectortest.Config{}, func(t *testing.T, r *rig) {
		byTemplate(`{"n":1,"severity":{{if lt .Severity 9}}{{.Severity}}{{else}}{{if eq .Format "ecs"}}{{if eq .Severity 9}}broken{{else}}0{{end}}{{end}}{{if ne .Format "ecs"}}0{{end}}{{end}}}`)(&r.settings)
		records := batch(3)
		records[1].Severity = 9
		refused, err := settle(t.Context(), r.open(t), records)
		if err != nil || len(refused) != 1 || refused[0] != records[1].ID || len(r.Events()) != 2 {
			t.Errorf("refused %v, taken %v: %v", refused, r.Events(), err)
		}
	})
}

func TestRequest(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		bubble(t, collectortest.Config{Method: method, Query: "tenant=acme"}, func(t *testing.T, r *rig) {
			r.settings.Method = method
			r.settings.URL = setting.NewSecret(origin + collectortest.Path + "?tenant=acme")
			r.settings.Headers = map[string]setting.Secret{"X-Tenant": setting.NewSecret("acme corp")}
			if err := r.open(t).Publish(t.Context(), batch(600)); err != nil {
				t.Fatal(err)
			}
			posts := r.Requests()
			if len(posts) != 2 || posts[0].Header.Get("X-Tenant") != "acme corp" || posts[0].Header.Get("User-Agent") != "sluice" {
				t.Errorf("got %v", posts)
			}
		})
	}
}
