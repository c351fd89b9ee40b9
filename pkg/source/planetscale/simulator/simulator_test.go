package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// start is when the clocks of these tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

// clock is a time that moves by hand. It is moved between requests only.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func newServer(c simulator.Config) (*simulator.Server, *clock) {
	k := &clock{now: start}
	c.Now = func() time.Time { return k.now }
	return simulator.New(c), k
}

type envelope struct {
	Type    string            `json:"type"`
	HasNext bool              `json:"has_next"`
	HasPrev bool              `json:"has_prev"`
	Start   *string           `json:"cursor_start"`
	End     *string           `json:"cursor_end"`
	Data    []json.RawMessage `json:"data"`
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request or of reading the body
}

const path = "/v1/organizations/acme/audit-log"

func ask(t testing.TB, s *simulator.Server, target string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.test"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "id:token")
	return send(s.Client(), r)
}

func send(c *http.Client, r *http.Request) reply {
	response, err := c.Do(r)
	if err != nil {
		return reply{err: err}
	}
	body, err := io.ReadAll(response.Body)
	if closed := response.Body.Close(); err == nil {
		err = closed
	}
	return reply{response.StatusCode, response.Header, body, err}
}

func list(t testing.TB, s *simulator.Server, query url.Values) envelope {
	t.Helper()
	return decode(t, ask(t, s, path+"?"+query.Encode()))
}

func decode(t testing.TB, a reply) envelope {
	t.Helper()
	if a.err != nil || a.status != http.StatusOK {
		t.Fatalf("got status %d, error %v, body %.200s; want a page", a.status, a.err, a.body)
	}
	var page envelope
	if err := json.Unmarshal(a.body, &page); err != nil {
		t.Fatalf("page is not JSON: %v", err)
	}
	return page
}

// walk lists the whole log, limit events a page. A walk in circles fails.
func walk(t testing.TB, s *simulator.Server, limit int) []json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	seen := make(map[string]bool)
	for {
		page := list(t, s, query)
		all = append(all, page.Data...)
		if !page.HasNext {
			return all
		}
		if seen[*page.End] {
			t.Fatalf("the walk comes to cursor %s again", *page.End)
		}
		seen[*page.End] = true
		query.Set("starting_after", *page.End)
	}
}

func idOf(t testing.TB, raw []byte) string {
	t.Helper()
	var e struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatalf("event is not JSON: %v: %.200s", err, raw)
	}
	return e.ID
}

// limited is the query for a page behind a cursor.
func limited(cursor string, limit int) url.Values {
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	if cursor != "" {
		query.Set("starting_after", cursor)
	}
	return query
}

var head = regexp.MustCompile(`"type":"list","has_next":(true|false),"has_prev":(?:true|false),"cursor_start":(?:null|"[^"]*"),"cursor_end":(?:null|"([^"]*)")`)

// skimmed is a page without a look at its events, which may be no JSON.
type skimmed struct {
	hasNext bool
	end     string
	data    []byte
}

// skim reads a page that was asked for; of any other answer the test fails.
func skim(t testing.TB, a reply) skimmed {
	t.Helper()
	page, ok := skimIfPage(a)
	if !ok {
		t.Fatalf("got status %d, error %v, body %.200s; want a page", a.status, a.err, a.body)
	}
	return page
}

func skimIfPage(a reply) (skimmed, bool) {
	if a.err != nil || a.status != http.StatusOK {
		return skimmed{}, false
	}
	m := head.FindSubmatch(a.body)
	data := bytes.Index(a.body, []byte(`"data":[`))
	if m == nil || data < 0 {
		return skimmed{}, false
	}
	return skimmed{string(m[1]) == "true", string(m[2]), a.body[data+len(`"data":[`):]}, true
}
