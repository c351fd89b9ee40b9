package estest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

// post makes a bulk request to logs-a-b.
func post(t *testing.T, s *estest.Server, query, body string) (status int, said string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/logs-a-b/_bulk"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-ndjson")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

const good = `{"@timestamp":"2026-03-04T05:06:07.000Z"}`

// A malformed request is refused as a whole, as by the real server.
func TestRefusesMalformedRequests(t *testing.T) {
	long := strings.Repeat("x", 513)
	for name, tt := range map[string]struct {
		query, body, want string
	}{
		"nothing":                  {"", "", "request body is required"},
		"no line end":              {"", `{"create":{}}` + "\n" + good, "terminated by a newline"},
		"no action":                {"", good + "\n" + good + "\n", "Malformed action/metadata line [1]"},
		"an unknown action":        {"", `{"put":{}}` + "\n" + good + "\n", "but found [put]"},
		"an unknown parameter":     {"", `{"create":{"id":"a"}}` + "\n" + good + "\n", "unknown parameter [id]"},
		"no document":              {"", `{"create":{}}` + "\n", "source is missing"},
		"a long id":                {"", `{"create":{"_id":"` + long + `"}}` + "\n" + good + "\n", "is too long"},
		"an unknown query":         {"?wait=1", `{"create":{}}` + "\n" + good + "\n", "unrecognized parameter: [wait]"},
		"a document over 2 lines":  {"", `{"create":{}}` + "\n{\n}\n", "Malformed action/metadata line"},
		"an id that is not a text": {"", `{"create":{"_id":1}}` + "\n" + good + "\n", "unknown parameter [_id]"},
	} {
		s := estest.NewServer(estest.Config{})
		if status, said := post(t, s, tt.query, tt.body); status != http.StatusBadRequest || !strings.Contains(said, tt.want) {
			t.Errorf("%s: %d %s, want %q", name, status, said, tt.want)
		}
		if len(s.Documents()) > 0 {
			t.Errorf("%s: a document was stored", name)
		}
	}
}

// Each action is done by itself.
func TestJudgesEachDocument(t *testing.T) {
	s := estest.NewServer(estest.Config{})
	var body strings.Builder
	documents := []struct {
		action, document string
		status           int
	}{
		{`{"create":{"_id":"a"}}`, good, 201},
		{`{"create":{"_id":"a"}}`, good, 409},
		{`{"create":{"_id":"b"}}`, `{"n":1}`, 400},
		{`{"create":{"_id":"c"}}`, `{"@timestamp":"yesterday"}`, 400},
		{`{"create":{"_id":"d"}}`, `{"@timestamp":"2026-03-04T05:06:07.000Z","n":1,"n":2}`, 400},
		{`{"create":{"_id":"e"}}`, `[]`, 400},
		{`{"index":{"_id":"f"}}`, good, 400},
		{`{"create":{}}`, good, 201},
	}
	for _, d := range documents {
		fmt.Fprintf(&body, "%s\n%s\n", d.action, d.document)
	}
	status, said := post(t, s, "", body.String())
	var answer struct {
		Errors bool
		Items  []map[string]struct{ Status int }
	}
	if err := json.Unmarshal([]byte(said), &answer); err != nil || status != http.StatusOK || !answer.Errors || len(answer.Items) != len(documents) {
		t.Fatalf("%d %s: %v", status, said, err)
	}
	for i, d := range documents {
		for _, it := range answer.Items[i] {
			if it.Status != d.status {
				t.Errorf("%s %s: status %d, want %d", d.action, d.document, it.Status, d.status)
			}
		}
	}
	if got := len(s.Documents()); got != 2 {
		t.Errorf("%d documents, want 2", got)
	}
}

// An id is unique within one backing index.
func TestRollover(t *testing.T) {
	s := estest.NewServer(estest.Config{})
	body := `{"create":{"_id":"a"}}` + "\n" + good + "\n"
	for _, want := range []string{`"status":201`, `"status":409`} {
		if _, said := post(t, s, "", body); !strings.Contains(said, want) {
			t.Errorf("got %s, want %s", said, want)
		}
	}
	s.Rollover("logs-a-b")
	if _, said := post(t, s, "", body); !strings.Contains(said, `"status":201`) || !strings.Contains(said, "-000002") {
		t.Errorf("after a rollover: %s", said)
	}
}
