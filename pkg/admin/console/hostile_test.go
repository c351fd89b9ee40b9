package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/internal/glyph"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// hostile is text that becomes something else wherever it is not escaped.
const hostile = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=1></textarea></title></svg><!--\u202e\x00\x1b[2J{{.}}`${1}`&lt;javascript:window.ran=1"

// hostileScene has that text in every place that text from elsewhere has.
func hostileScene(t *testing.T, text string) *scene {
	s := &scene{name: "hostile"}
	now := time.Now()
	lane := caughtUp("acme", "siem")
	lane.Ready, lane.Troubles = false, []pipeline.Trouble{{Operation: text, Err: text, Hint: text, Note: text}}
	lane.Retries = map[string]uint64{text: 3}
	all := func(time.Time) []pipeline.Status { return []pipeline.Status{lane} }
	s.lanes.Store(&all)
	s.deps = deps(lane)
	s.deps.Target = func(string) string { return text }
	s.deps.Render = func(context.Context, console.Kept) []console.Rendering {
		return []console.Rendering{
			{Sink: "siem", Format: "ecs", Body: text, Fields: []transform.Field{{Name: text, Value: text, Rule: text}}, Note: text},
			{Sink: "other", Format: "cef", Withheld: text},
		}
	}
	s.history, s.activity = console.NewHistory(s.deps.Lanes), console.NewActivity(1<<20)
	raw, err := json.Marshal(map[string]string{"id": "1", "text": text})
	if err != nil {
		t.Fatal(err)
	}
	s.activity.Observer("acme", nil)([]source.Event{{
		ID: "id " + text, Time: now, Read: now, Organization: text, Action: text, Verb: text, Actor: source.Party{ID: text, Type: text, Name: text},
		Objects:  [2]source.Party{{ID: text, Type: text, Name: text}, {ID: text, Type: text, Name: text}},
		RemoteIP: text, Location: text, Modified: text, Metadata: raw, Raw: raw, Problem: text,
	}}, true)
	s.key = s.activity.Recent("", "", 1)[0].Key
	return s
}

// shape is the elements of a page with the names of their attributes, and its texts.
type shape struct {
	elements []string
	text     string
}

func shapeOf(t *testing.T, body string) (s shape) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			name := n.Data
			for _, a := range n.Attr {
				name += " " + a.Key
			}
			s.elements = append(s.elements, name)
		case html.TextNode:
			text.WriteString(n.Data + "\n")
		case html.CommentNode:
			s.elements = append(s.elements, "<!--")
		}
	}
	s.text = text.String()
	return s
}

// TestHostileTextStaysText requires of every page with hostile text that it has the same
// elements and attributes as one with tame text, and shows the hostile text as it is,
// except that what cannot be seen is written as escapes.
func TestHostileTextStaysText(t *testing.T) {
	check := func(t *testing.T, text string) {
		for _, path := range []string{"/", "/lanes/acme/siem", "/events", "/events/KEY"} {
			got, want := pageShape(t, text, path), pageShape(t, "tame", path)
			if strings.Join(got.elements, "\n") != strings.Join(want.elements, "\n") {
				t.Errorf("%s: %q made another element or attribute", path, text)
			}
			if !strings.Contains(got.text, glyph.Visible(strings.TrimSpace(text))) {
				t.Errorf("%s: %q is not shown as it is", path, text)
			}
		}
	}
	t.Run("known", func(t *testing.T) { check(t, hostile) })
	t.Run("random", func(t *testing.T) {
		parts := []string{"<", ">", "\"", "'", "&", "`", "=", "/", "script", "<!--", "-->", "]]>", "{{", "}}", "\x00", "\u202e", "a", " ", "x=y", "javascript:", "\u2028", "é"}
		rapid.Check(t, func(r *rapid.T) {
			check(t, "a"+strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 12).Draw(r, "text"), "")+"b")
		})
	})
}

func pageShape(t *testing.T, text, path string) shape {
	t.Helper()
	s := hostileScene(t, text)
	answer := httptest.NewRecorder()
	s.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, strings.Replace(path, "KEY", s.key, 1), nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("%s: got status %d: %s", path, answer.Code, answer.Body)
	}
	return shapeOf(t, answer.Body.String())
}
