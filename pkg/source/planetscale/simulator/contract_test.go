package simulator_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// keys of an event: all are required by the published OpenAPI document.
var keys = []string{
	"id", "actor_id", "actor_type", "auditable_id", "auditable_type", "target_id", "target_type",
	"location", "target_display_name", "audit_action", "action", "actor_display_name",
	"auditable_display_name", "remote_ip", "created_at", "updated_at", "metadata",
}

// nullable are the keys that the OpenAPI document lets be null.
var nullable = []string{
	"actor_id", "actor_type", "auditable_id", "auditable_type", "target_id", "target_type",
	"location", "target_display_name", "remote_ip", "metadata",
}

func TestEventsKeepTheSchema(t *testing.T) {
	s, _ := newServer(simulator.Config{Seed: 3, Events: 2_000, Tame: true})
	nulls := make(map[string]bool)
	for e := range s.Visible() {
		var fields map[string]any
		if err := json.Unmarshal(e.Raw, &fields); err != nil {
			t.Fatalf("event %s: %v", e.ID, err)
		}
		checkSchema(t, e, fields, nulls)
	}
	for _, key := range []string{"actor_id", "actor_type", "target_id", "location", "remote_ip", "metadata"} {
		if !nulls[key] {
			t.Errorf("%s was never null", key)
		}
	}
}

func checkSchema(t *testing.T, e simulator.Event, fields map[string]any, nulls map[string]bool) {
	t.Helper()
	if got, want := len(fields), len(keys); got != want {
		t.Errorf("event %s: got %d keys, want %d", e.ID, got, want)
	}
	for _, key := range keys {
		value, ok := fields[key]
		_, text := value.(string)
		_, object := value.(map[string]any)
		null := value == nil
		nulls[key] = nulls[key] || null
		switch {
		case !ok:
			t.Errorf("event %s: no %s", e.ID, key)
		case null && !slices.Contains(nullable, key):
			t.Errorf("event %s: %s is null", e.ID, key)
		case !null && object != (key == "metadata"), !null && text == (key == "metadata"):
			t.Errorf("event %s: %s is %v", e.ID, key, value)
		}
	}
	action, _ := fields["audit_action"].(string)
	if _, verb, _ := strings.Cut(action, "."); verb != fields["action"] {
		t.Errorf("event %s: action %v of audit_action %v", e.ID, fields["action"], action)
	}
	if got, want := fields["created_at"], e.Created.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
		t.Errorf("event %s: got created_at %v, want %s", e.ID, got, want)
	}
}

func TestEnvelope(t *testing.T) {
	s, _ := newServer(simulator.Config{Events: 130})
	ids := visible(s, simulator.NewestFirst)
	tests := map[string]struct {
		query            string
		want             []string
		hasNext, hasPrev bool
	}{
		"limit is 25 by default":         {"", ids[:25], true, false},
		"limit is 100 at most":           {"limit=1000", ids[:100], true, false},
		"limit applies":                  {"limit=3", ids[:3], true, false},
		"a page in the middle":           {"limit=5&starting_after=" + ids[9], ids[10:15], true, true},
		"a page that ends the log":       {"limit=30&starting_after=" + ids[99], ids[100:], false, true},
		"a page shorter than its limit":  {"limit=50&starting_after=" + ids[99], ids[100:], false, true},
		"an empty page behind the last":  {"starting_after=" + ids[129], nil, false, true},
		"ending_before is adjacent":      {"limit=5&ending_before=" + ids[40], ids[35:40], true, true},
		"ending_before meets the top":    {"limit=50&ending_before=" + ids[7], ids[:7], true, false},
		"nothing stands before the top":  {"ending_before=" + ids[0], nil, true, false},
		"starting_after wins over both":  {"limit=2&starting_after=" + ids[4] + "&ending_before=" + ids[4], ids[5:7], true, true},
		"further parameters are ignored": {"limit=1&page=7", ids[:1], true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			page := decode(t, ask(t, s, path+"?"+test.query))
			var got []string
			for _, raw := range page.Data {
				got = append(got, idOf(t, raw))
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("ids (-want +got):\n%s", d)
			}
			if page.Type != "list" || page.HasNext != test.hasNext || page.HasPrev != test.hasPrev {
				t.Errorf("got type %q, has_next %v, has_prev %v; want list, %v, %v",
					page.Type, page.HasNext, page.HasPrev, test.hasNext, test.hasPrev)
			}
			checkCursors(t, page, test.want)
		})
	}
}

func checkCursors(t *testing.T, page envelope, ids []string) {
	t.Helper()
	if len(ids) == 0 {
		if page.Start != nil || page.End != nil || page.Data == nil {
			t.Errorf("got cursors %v and %v, data %v; want nulls and an empty array", page.Start, page.End, page.Data)
		}
		return
	}
	if page.Start == nil || *page.Start != ids[0] || page.End == nil || *page.End != ids[len(ids)-1] {
		t.Errorf("got cursors %v and %v, want the first and the last id", page.Start, page.End)
	}
}

func TestNaiveEndingBefore(t *testing.T) {
	s, _ := newServer(simulator.Config{Events: 60, EndingBefore: simulator.Naive})
	ids := visible(s, simulator.NewestFirst)
	for before, want := range map[int][]string{40: ids[:5], 3: ids[:3]} {
		page := list(t, s, url.Values{"limit": {"5"}, "ending_before": {ids[before]}})
		checkCursors(t, page, want)
		if !page.HasNext || page.HasPrev {
			t.Errorf("got has_next %v, has_prev %v; want true, false", page.HasNext, page.HasPrev)
		}
	}
}

func TestRefusals(t *testing.T) {
	const service, bearer = "tid:secret", "Bearer access"
	tests := map[string]struct {
		access                simulator.Access
		target, authorization string
		status                int
		body                  string
	}{
		"service token":           {0, path, service, 200, `{"type":"list"`},
		"access token":            {0, path, bearer, 200, `{"type":"list"`},
		"no credentials":          {0, path, "", 401, `{"code":"unauthorized","message":"Unauthorized"}`},
		"wrong service token":     {0, path, "tid:other", 401, `{"code":"unauthorized"`},
		"service token as bearer": {0, path, "Bearer " + service, 401, `{"error":"invalid_token","error_description":`},
		"wrong access token":      {0, path, "Bearer other", 401, `{"error":"invalid_token"`},
		"another organization":    {0, "/v1/organizations/other/audit-log", service, 404, `{"code":"not_found","message":"Not Found"}`},
		"permission is missing":   {simulator.Forbidden403, path, service, 403, `{"code":"forbidden"`},
		"permission is hidden":    {simulator.Hidden404, path, service, 404, `{"code":"not_found"`},
		"plural path":             {0, path + "s", service, 404, `{"code":"not_found"`},
		"path of another depth":   {0, "/v1/organizations/acme/x/audit-log", service, 404, `{"code":"not_found"`},
		"no organization":         {0, "/v1/organizations//audit-log", service, 404, `{"code":"not_found"`},
		"limit is no number":      {0, path + "?limit=many", service, 400, `{"code":"bad_request"`},
		"limit is zero":           {0, path + "?limit=0", service, 400, `{"code":"bad_request"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, _ := newServer(simulator.Config{
				Access: test.access, ServiceTokenID: "tid", ServiceToken: "secret", AccessToken: "access",
			})
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.test"+test.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			got := send(s.Client(), r)
			if got.err != nil || got.status != test.status || !strings.HasPrefix(string(got.body), test.body) {
				t.Errorf("got %d %s, error %v; want %d %s", got.status, got.body, got.err, test.status, test.body)
			}
			if requests := s.Requests(); len(requests) != 1 || requests[0].Status != test.status {
				t.Errorf("got requests %+v, want one with status %d", requests, test.status)
			}
		})
	}
}

func TestAnyCredentialsWhereNoneAreSet(t *testing.T) {
	s, _ := newServer(simulator.Config{})
	for authorization, want := range map[string]int{"": 401, ":": 401, "a:b": 200, "Bearer x": 200} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.test"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		if got := send(s.Client(), r).status; got != want {
			t.Errorf("%q: got status %d, want %d", authorization, got, want)
		}
	}
}

func TestCursorThatIsNotInTheLog(t *testing.T) {
	statuses := map[simulator.Purged]int{
		simulator.NotFound404: 404, simulator.BadRequest400: 400, simulator.Unprocessable422: 422,
		simulator.EmptyPage: 200, simulator.FirstPage: 200,
	}
	for purged, want := range statuses {
		s, k := newServer(simulator.Config{Events: 50, Spacing: time.Minute, Purged: purged})
		ids := visible(s, simulator.NewestFirst)
		s.Delete(ids[10])
		s.Purge(k.now.Add(-30 * time.Minute))
		for name, cursor := range map[string]string{
			"deleted": ids[10], "purged": ids[45], "of no event": "000000000000", "of another form": "X",
		} {
			t.Run(purged.String()+" for a cursor "+name, func(t *testing.T) {
				got := ask(t, s, path+"?limit=5&starting_after="+cursor)
				if got.err != nil || got.status != want {
					t.Fatalf("got status %d, error %v; want %d", got.status, got.err, want)
				}
				switch purged {
				case simulator.EmptyPage:
					checkCursors(t, decode(t, got), nil)
				case simulator.FirstPage:
					checkCursors(t, decode(t, got), ids[:5])
				}
			})
		}
	}
}

func TestDateAgreesWithCreatedAt(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 100, Spacing: time.Millisecond, Rate: 40})
	for range 50 {
		k.pass(777 * time.Millisecond)
		s.Append(3)
		answer := ask(t, s, path+"?limit=1")
		date, err := http.ParseTime(answer.header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if want := k.now.Truncate(time.Second); !date.Equal(want) {
			t.Errorf("got Date %v, want %v", date, want)
		}
		for e := range s.Visible() {
			if e.Created.After(k.now) || e.Listed.After(k.now) {
				t.Fatalf("at %v there is an event of %v", k.now, e.Created)
			}
		}
	}
}

func TestRequestsPerMinute(t *testing.T) {
	s, k := newServer(simulator.Config{RequestsPerMinute: 3})
	for i, want := range []int{200, 200, 200, 429, 429} {
		if got := ask(t, s, path).status; got != want {
			t.Errorf("request %d: got status %d, want %d", i+1, got, want)
		}
		k.pass(time.Second)
	}
	k.pass(time.Minute)
	if got := ask(t, s, path).status; got != 200 {
		t.Errorf("a minute later: got status %d, want 200", got)
	}
}

func TestSwitchesAreText(t *testing.T) {
	for _, purged := range []string{"404", "400", "422", "empty-page", "first-page"} {
		var p simulator.Purged
		if err := p.UnmarshalText([]byte(purged)); err != nil || p.String() != purged {
			t.Errorf("got %v, error %v; want %s", p, err, purged)
		}
	}
	var o simulator.Order
	if err := o.UnmarshalText([]byte("oldest-first")); err != nil || o != simulator.OldestFirst {
		t.Errorf("got %v, error %v; want oldest-first", o, err)
	}
	var k simulator.SortKey
	if err := k.UnmarshalText([]byte("insertion")); err != nil || k != simulator.ByInsertion {
		t.Errorf("got %v, error %v; want insertion", k, err)
	}
	var e simulator.EndingBefore
	if err := e.UnmarshalText([]byte("naive")); err != nil || e != simulator.Naive {
		t.Errorf("got %v, error %v; want naive", e, err)
	}
	var a simulator.Access
	err := a.UnmarshalText([]byte("maybe"))
	if want := `unknown access "maybe": want one of granted, 403, 404`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
