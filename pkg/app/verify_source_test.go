package app

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// The source is listed again, and each difference to what was delivered is told for the lane
// that has it.
func TestRelisting(t *testing.T) {
	api := simulator.New(simulator.Config{Events: 300, Spacing: 10 * time.Second, Tame: true})
	server := httptest.NewServer(api)
	defer server.Close()
	cfg := parsed(t, fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, access_token: any, url: %q, overlap: 1m, requests_per_minute: 0}}]
state: {settings: {dir: state}}
sinks:
  - {name: all, type: stdout}
  - {name: some, type: stdout, where: 'actor.type != "User"'}
  - {name: less, type: stdout, redact: {fields: [{field: actor.name, how: remove}]}}
  - {name: other, type: stdout}
admin: {listen: "127.0.0.1:0"}
`, server.URL), nil)
	r, err := newRelisting(cfg, "", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.list(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events []simulator.Event
	users := 0
	for e := range api.Visible() {
		events = append(events, e)
	}
	for i, e := range events {
		user := bytes.Contains(e.Raw, []byte(`"actor_type":"User"`))
		if user && i != 150 {
			users++
			continue
		}
		if i == 150 { // It is not delivered, although every sink but one or two wants it.
			continue
		}
		r.claim(verify.Claim{Facts: evidence.Facts{ID: e.ID, Time: e.Created, Action: "a.b", Organization: "acme", Hash: sha256.Sum256(e.Raw)}})
	}
	vanished := events[200]
	if bytes.Contains(vanished.Raw, []byte(`"actor_type":"User"`)) || users == 0 {
		t.Fatal("the log of the test has changed: choose another event")
	}
	api.Delete(vanished.ID)
	r.claim(verify.Claim{Facts: evidence.Facts{ID: "never", Time: events[210].Created, Action: "a.b", Organization: "acme"}})
	var logs []verify.Log
	for _, lane := range []string{"acme/all", "acme/some", "acme/less"} {
		logs = append(logs, verify.Log{Lane: lane, Through: time.Now().Add(-time.Hour)}, verify.Log{Lane: lane, Through: time.Now()})
	}
	reports, err := r.report(t.Context(), logs)
	if err != nil || len(reports) != 3 {
		t.Fatalf("got %d reports, %v", len(reports), err)
	}
	all := &verify.Report{Verdict: verify.Clean, Logs: logs}
	all.Compare(reports)
	for _, report := range reports {
		if report.Lane == "acme/some" && (report.UndeliveredTotal > 1 || report.Filtered == 0) {
			t.Errorf("the events that the condition leaves out: got %+v", report)
		}
		if report.Lane != "acme/some" && report.UndeliveredTotal < users/2 {
			t.Errorf("%s: %d events were not delivered, and %d told", report.Lane, users, report.UndeliveredTotal)
		}
		if report.VanishedTotal != 1 || report.Vanished[0].ID != "never" {
			t.Errorf("%s: got %v vanished", report.Lane, report.Vanished)
		}
	}
	var text strings.Builder
	if err := writeReport(&text, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"listed and not delivered", "acme/all: organization acme lists 300 events", "not for the sink", "hashes are of what it got", "delivered and no longer listed: 1\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}

func TestRelistingOfNothing(t *testing.T) {
	cfg := parsed(t, fmt.Sprintf(readSinks, "audit.ndjson"), nil)
	if _, err := newRelisting(cfg, "missing", zerolog.Nop()); err == nil {
		t.Error("a sink that is missing is no error")
	}
	cfg.Sources[0].Settings = struct{}{}
	if _, err := newRelisting(cfg, "", zerolog.Nop()); err == nil || failure.Hint(err) == "" {
		t.Errorf("a source that cannot be listed: got %v", err)
	}
}
