package splunkhec_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
)

const searchToken = "eyJraWQiOiJzcGx1bmsuc2VjcmV0In0.e30.c2lnbmVk"

// searchHead is a management interface that streams the results of one search.
type searchHead struct {
	t      *testing.T
	want   string // search
	answer string
	status int // 0 is 200
}

func (h searchHead) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if got := r.Method + " " + r.URL.String(); got != "POST /services/search/v2/jobs/export" {
		h.t.Errorf("got the request %s", got)
	}
	if r.Header.Get("Authorization") != "Bearer "+searchToken || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"messages":[{"type":"WARN","text":"call not properly authenticated"}]}`)
		return
	}
	for key, want := range map[string]string{"search": h.want, "output_mode": "json", "preview": "false", "earliest_time": "0"} {
		if got := r.FormValue(key); got != want {
			h.t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	if h.status != 0 {
		w.WriteHeader(h.status)
	}
	fmt.Fprint(w, h.answer)
}

func readBack(t *testing.T, h searchHead, access sink.Access, change func(*splunkhec.Settings)) (got []string, err error) {
	t.Helper()
	h.t = t
	server := httptest.NewServer(h)
	defer server.Close()
	s := defaults("https://splunk:8088")
	change(&s)
	if access.URL == "" {
		access.URL = server.URL + "/"
	}
	lanes := []sink.Env{{Dataset: "planetscale.audit"}, {Dataset: "planetscale.audit"}, {Dataset: "sluice.own"}}
	err = s.ReadBack(t.Context(), lanes, access, func(r sink.Stored) error {
		got = append(got, fmt.Sprint(r.Line, r.ID, r.Organization, r.Action, r.Replayed, r.Epoch, r.Sequence, string(r.Body)))
		return nil
	})
	return got, err
}

const (
	fieldsOf = ` | fields _raw sluice_event_id sluice_organization sluice_action sluice_replayed sluice_epoch sluice_sequence`
	anywhere = `search index="*" (sourcetype="planetscale:audit" OR sourcetype="sluice:own")` + fieldsOf
)

func TestReadBack(t *testing.T) {
	h := searchHead{want: `search index="se\"curity" (sourcetype="x\\y")` + fieldsOf, answer: `
{"preview":true,"offset":0,"result":{"_raw":"not yet"}}
{"preview":false,"offset":0,"messages":[{"type":"INFO","text":"hm"}]}
{"preview":false,"offset":0,"result":{"_raw":"{\"a\":1}","sluice_event_id":"1","sluice_organization":"acme","sluice_action":"a.b","sluice_epoch":"3","sluice_sequence":"41"}}
{"preview":false,"offset":1,"lastrow":true,"result":{"_raw":"x","sluice_event_id":["2","2"],"sluice_replayed":"true","sluice_epoch":"-1","sluice_sequence":["7"]}}
`}
	got, err := readBack(t, h, sink.Access{Token: searchToken}, func(s *splunkhec.Settings) { s.Index, s.Sourcetype = `se"curity`, `x\y` })
	want := []string{`1 1 acme a.b false 3 41 {"a":1}`, `2 2   true 0 7 x`}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "")
	}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " ", "")
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := readBack(t, searchHead{want: anywhere}, sink.Access{Token: searchToken}, func(*splunkhec.Settings) {}); err != nil || got != nil {
		t.Errorf("nothing found: got %q, %v", got, err)
	}
}

// What is not all is an error, and none shows the token.
func TestReadBackFails(t *testing.T) {
	whole := sink.Access{Token: searchToken}
	const (
		result = `{"preview":false,"result":{"_raw":"x"}}`
		last   = `{"preview":false,"lastrow":true,"result":{"_raw":"x"}}`
	)
	for name, tt := range map[string]struct {
		answer string
		status int
		access sink.Access
		hint   string
	}{
		"no address or token":     {"", 0, sink.Access{}, "--read-url"},
		"plain http":              {"", 0, sink.Access{URL: "http://splunk.example.com:8089", Token: searchToken}, ""},
		"a refused token":         {"", 0, sink.Access{Token: "another"}, "authentication token"},
		"HEC's port":              {`{"text":"` + searchToken + `"}`, 404, whole, "8089"},
		"no mark of the last one": {result, 0, whole, ""},
		"a cut answer":            {result + `{"preview":fal`, 0, whole, ""},
		"an error of the search":  {last + `{"messages":[{"type":"FATAL","text":"no index ` + searchToken + `"}]}`, 0, whole, ""},
	} {
		got, err := readBack(t, searchHead{want: anywhere, answer: tt.answer, status: tt.status}, tt.access, func(*splunkhec.Settings) {})
		if err == nil || strings.Contains(err.Error(), searchToken) || !strings.Contains(failure.Hint(err), tt.hint) {
			t.Errorf("%s: got %q, %v with hint %q", name, got, err, failure.Hint(err))
		}
	}
}
