package planetscale_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

// answering answers every request alike.
type answering string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

// TestEventsAboutTheOwnTokenAreMarked reads events of which some are about the token that
// reads them.
func TestEventsAboutTheOwnTokenAreMarked(t *testing.T) {
	const event = `{"id":"%s","created_at":"2026-01-02T12:00:00.000Z","action":"x","audit_action":"%s","actor_id":"%s","auditable_id":"%s","target_id":"%s","metadata":%s}`
	want := map[string]bool{}
	var events []string
	for _, c := range []struct {
		id, action, actor, object, target, metadata string
		own                                         bool
	}{
		{"deleted", "service_token.deleted", "alice", "ours", "acme", "null", true},
		{"granted", "service_token.granted_access", "alice", "db", "ours", "null", true},
		{"named", "service_token.updated_bulk_database_access", "alice", "x", "acme", `{"service_token":"ours"}`, true},
		{"used", "database.deleted", "ours", "db", "acme", "null", true},
		{"other", "service_token.deleted", "alice", "theirs", "acme", `{"note":"ours is another one"}`, false},
		{"elsewhere", "database.deleted", "alice", "ours", "acme", "null", false},
	} {
		want[c.id] = c.own
		events = append(events, fmt.Sprintf(event, c.id, c.action, c.actor, c.object, c.target, c.metadata))
	}
	answer := `{"type":"list","has_next":false,"cursor_end":null,"data":[` + strings.Join(events, ",") + `]}`

	s := planetscale.Defaults
	s.Organization, s.ServiceTokenID, s.ServiceToken, s.RequestsPerMinute = "acme", "ours", setting.NewSecret("secret-token"), 0
	src, err := planetscale.New(s, planetscale.Options{Transport: answering(answer), Now: func() time.Time { return time.Date(2026, 1, 2, 12, 1, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	pos, err := src.Start(t.Context(), source.Start{})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := src.Open(pos, source.Env{Lane: "acme/siem"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for len(want) > 0 {
		page, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.OwnToken != want[e.ID] {
				t.Errorf("event %s: marked %t, want %t", e.ID, e.OwnToken, want[e.ID])
			}
			delete(want, e.ID)
		}
	}
}
