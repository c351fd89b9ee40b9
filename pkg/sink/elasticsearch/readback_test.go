package elasticsearch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
)

// index is a server with documents, which it gives to scrolls as both servers do.
type index struct {
	t         *testing.T
	name      string
	documents []string // each is a hit
	want      string   // Authorization

	scroll   int // the next document; -1: there is no scroll
	lies     int // documents that it counts and does not give
	failed   int // shards
	timedOut bool
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var q struct {
		Size     int
		Scroll   string
		ScrollID string `json:"scroll_id"`
	}
	if err != nil || json.Unmarshal(body, &q) != nil || r.Header.Get("Content-Type") != "application/json" {
		x.t.Errorf("%s %s: got a body that is no query: %q", r.Method, r.URL, body)
	}
	switch where := r.Method + " " + r.URL.String(); {
	case r.Header.Get("Authorization") != x.want:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"error":{"reason":"not with %s"},"status":403}`, r.Header.Get("Authorization"))
	case where == "POST /"+x.name+"/_search?scroll=5m" && q.Size > 0:
		x.scroll = 0
		x.page(w, q.Size)
	case where == "POST /_search/scroll" && q.ScrollID == "scroll-1" && q.Scroll == "5m" && x.scroll >= 0:
		x.page(w, 2)
	case where == "DELETE /_search/scroll" && q.ScrollID == "scroll-1" && x.scroll >= 0:
		x.scroll = -1
		fmt.Fprint(w, `{"succeeded":true}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":{"reason":"no such index [%s]"},"status":404}`, r.URL)
	}
}

func (x *index) page(w io.Writer, n int) {
	hits := x.documents[x.scroll:min(len(x.documents), x.scroll+min(n, 2))]
	x.scroll += len(hits)
	fmt.Fprintf(w, `{"_scroll_id":"scroll-1","took":1,"timed_out":%t,"_shards":{"total":1,"failed":%d},"hits":{"total":{"value":%d,"relation":"eq"},"max_score":null,"hits":[%s]}}`,
		x.timedOut, x.failed, len(x.documents)+x.lies, strings.Join(hits, ","))
}

// readBack reads the lanes of two datasets.
func (x *index) readBack(t *testing.T, access sink.Access, change func(*elasticsearch.Settings)) (got []string, log string, err error) {
	t.Helper()
	x.t, x.scroll = t, -1
	server := httptest.NewServer(x)
	defer server.Close()
	s := elasticsearch.Type.Settings().(*elasticsearch.Settings)
	s.URL = elasticsearch.URLs{server.URL}
	change(s)
	if access.URL != "" {
		access.URL = server.URL
		s.URL = elasticsearch.URLs{"http://127.0.0.1:1"}
	}
	var out bytes.Buffer
	lanes := []sink.Env{{Dataset: "planetscale.audit", Log: zerolog.New(&out)}, {Dataset: "sluice.own", Log: zerolog.New(&out)}}
	err = s.ReadBack(t.Context(), lanes, access, func(r sink.Stored) error {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s", r.Place, r.Organization, r.ID, r.Body))
		return nil
	})
	return got, out.String(), err
}

func document(id, source string) string {
	return fmt.Sprintf(`{"_index":".ds-1","_id":"%s","_score":null,"_source":%s,"sort":[1]}`, id, source)
}

func TestReadBack(t *testing.T) {
	x := &index{name: stream, want: "ApiKey a-key-for-writing", documents: []string{
		document("acme|1", `{"a": 1.0, "b":"\u00e9"}`), document("acme|2", `{}`), document("made-by-the-server", `{"c":[]}`), document("acme|a|b", `{}`), document("acme|5", `{}`),
	}}
	got, log, err := x.readBack(t, sink.Access{}, func(s *elasticsearch.Settings) { s.APIKey = setting.NewSecret("a-key-for-writing") })
	want := []string{
		`.ds-1/acme|1|acme|1|{"a": 1.0, "b":"\u00e9"}`, `.ds-1/acme|2|acme|2|{}`, `.ds-1/made-by-the-server|||{"c":[]}`,
		`.ds-1/acme|a|b|acme|a|b|{}`, `.ds-1/acme|5|acme|5|{}`,
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if !strings.Contains(log, "logs-sluice.own-default") {
		t.Errorf("a data stream that is missing is not told of: %q", log)
	}
	if x.scroll != -1 {
		t.Error("the scroll is left open")
	}
}

func TestReadBackWithAnotherCredential(t *testing.T) {
	for name, tt := range map[string]struct {
		token, want string
		change      func(*elasticsearch.Settings)
	}{
		"an API key":       {"a-key-for-reading", "ApiKey a-key-for-reading", func(s *elasticsearch.Settings) { s.APIKey = setting.NewSecret("a-key-for-writing") }},
		"a name":           {"reader:password", "Basic cmVhZGVyOnBhc3N3b3Jk", func(*elasticsearch.Settings) {}},
		"a bearer token":   {"a-token", "Bearer a-token", func(s *elasticsearch.Settings) { s.Token = setting.NewSecret("a-token-for-writing") }},
		"the sink's name":  {"", "Basic cmVhZGVyOnBhc3N3b3Jk", func(s *elasticsearch.Settings) { s.Username, s.Password = "reader", setting.NewSecret("password") }},
		"the sink's token": {"", "Bearer a-token-for-writing", func(s *elasticsearch.Settings) { s.Token = setting.NewSecret("a-token-for-writing") }},
		"none":             {"", "", func(*elasticsearch.Settings) {}},
	} {
		x := &index{name: stream, want: tt.want, documents: []string{document("acme|1", `{}`)}}
		if got, _, err := x.readBack(t, sink.Access{URL: "x", Token: tt.token}, tt.change); err != nil || len(got) != 1 {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	x := &index{name: stream, want: "ApiKey another"}
	_, _, err := x.readBack(t, sink.Access{Token: "a-key-that-is-refused"}, func(*elasticsearch.Settings) {})
	if err == nil || strings.Contains(err.Error(), "a-key-that-is-refused") || !strings.Contains(failure.Hint(err), "--read-token-file") {
		t.Errorf("refused: got %v with hint %q", err, failure.Hint(err))
	}
}

// What is not all is an error.
func TestReadBackOfAPart(t *testing.T) {
	for name, x := range map[string]*index{
		"fewer documents than it counts": {lies: 1},
		"a shard that failed":            {failed: 1},
		"a search that took too long":    {timedOut: true},
		"no index":                       {name: "other"},
	} {
		if x.name == "" {
			x.name = stream
		}
		x.documents = []string{document("acme|1", `{}`)}
		if got, _, err := x.readBack(t, sink.Access{}, func(*elasticsearch.Settings) {}); err == nil {
			t.Errorf("%s: got %q and no error", name, got)
		}
	}
}
