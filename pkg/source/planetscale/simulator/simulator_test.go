package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// walk lists the whole log, limit events a page.
func walk(t testing.TB, s *simulator.Server, limit int) []json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	for {
		page := list(t, s, query)
		all = append(all, page.Data...)
		if !page.HasNext {
			return all
		}
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
