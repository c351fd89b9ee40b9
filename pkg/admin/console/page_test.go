package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
)

// deps returns what a console reads while these lanes run.
func deps(lanes ...pipeline.Status) console.Deps {
	return console.Deps{
		Lanes:       func() []pipeline.Status { return lanes },
		Sources:     func() map[string]source.Usage { return nil },
		Memory:      func() source.MemoryUsage { return source.MemoryUsage{Size: 512 << 20} },
		DeadLetters: func(string) (int, error) { return 0, nil },
		Target:      func(string) string { return "" },
		Render:      func(context.Context, console.Kept) []console.Rendering { return nil },
		Private:     true,
		Version:     "0.1.0",
	}
}

// caughtUp is a lane that is ready and has caught up.
func caughtUp(src, sink string) pipeline.Status {
	now := time.Now()
	return pipeline.Status{
		Lane: src + "/" + sink, Source: src, Sink: sink, Format: "ecs", Ready: true,
		Reader:        source.Progress{LastRead: now, CaughtUp: true},
		Position:      source.Description{Event: now, Through: now, Expires: now.Add(15 * 24 * time.Hour)},
		LastPublished: now,
	}
}

// serve returns the console's answer to a GET.
func serve(t *testing.T, d console.Deps, path string) *httptest.ResponseRecorder {
	t.Helper()
	h := console.NewHistory(d.Lanes)
	answer := httptest.NewRecorder()
	console.Handler(d, h, console.NewActivity(1<<20)).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer
}

func TestTheTitleSaysWhetherEverythingArrives(t *testing.T) {
	fine := caughtUp("acme", "siem")
	broken := fine
	broken.Sink, broken.Lane, broken.Ready, broken.Reason = "kafka", "acme/kafka", false, "publish: connection refused"
	gap := fine
	gap.Reader.Gaps = 1
	alarm := gap
	alarm.Ready, alarm.Troubles = false, []pipeline.Trouble{{Operation: "events are missing", Err: "at 15:09 the log no longer reached back"}}
	catching := fine
	catching.CatchingUp, catching.Reader = true, source.Progress{WalkEvents: 12_000, WalkDone: true, Handed: 2_000}
	waits := fine
	waits.Ready, waits.Paused, waits.Reason = false, &pipeline.Pause{By: "root@siem", Reason: "upgrade <b>"}, "paused"
	other := pipeline.Status{Lane: "acme/siem", Source: "acme", Sink: "siem", Elsewhere: true}
	letters := deps(fine)
	letters.DeadLetters = func(string) (int, error) { return 1_203, nil }
	unknown := deps(fine)
	unknown.Group = func() error { return errors.New("the group cannot be reached") }
	for _, tt := range []struct {
		name string
		deps console.Deps
		want string
	}{
		{"fine", deps(fine), "Every lane delivers"},
		{"one of two down", deps(fine, broken), "1 of 2 lanes does not deliver"},
		{"one lane, down", deps(broken), "The lane does not deliver"},
		{"two lanes, both down", deps(broken, broken), "None of the 2 lanes delivers"},
		{"paused", deps(waits), "The lane is paused"},
		{"one of two paused", deps(fine, waits), "1 of 2 lanes is paused"},
		{"one paused, one down", deps(broken, waits), "1 of 2 lanes does not deliver"},
		{"gap", deps(gap), "Every lane delivers, but earlier events are missing"},
		{"a gap just now", deps(alarm), "Every lane delivers, but earlier events are missing"},
		{"catch-up", deps(catching), "The lane catches up: 10,000 events to go"},
		{"dead letters", letters, "Every lane delivers, except 1,203 dead letters"},
		{"no lane", deps(), "No lane runs"},
		{"other replicas run all", deps(other), "This replica stands by"},
		{"group unknown", unknown, "It is unknown which lanes run here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := serve(t, tt.deps, "/")
			if answer.Code != http.StatusOK {
				t.Fatalf("got status %d: %s", answer.Code, answer.Body)
			}
			if want := "<title>" + tt.want + " · Sluice</title>"; !strings.Contains(answer.Body.String(), want) {
				title, _, _ := strings.Cut(answer.Body.String(), "</title>")
				t.Errorf("got …%s, want %s", title[max(0, len(title)-100):], want)
			}
		})
	}
}

// A paused lane says who paused it and why, on its card and on its page.
func TestAPausedLaneSaysWhoPausedIt(t *testing.T) {
	waits := caughtUp("acme", "siem")
	waits.Ready, waits.Paused, waits.Reason = false, &pipeline.Pause{By: "root@siem", Reason: "upgrade <b>"}, "paused"
	for _, path := range []string{"/", "/lanes/acme/siem"} {
		if body := serve(t, deps(waits), path).Body.String(); !strings.Contains(body, "paused by root@siem: upgrade &lt;b&gt;") {
			t.Errorf("%s does not say it:\n%s", path, body)
		}
	}
}

// The page of a lane with audits says what the last one found.
func TestALaneSaysWhatItsAuditFound(t *testing.T) {
	audited := caughtUp("acme", "siem")
	if body := serve(t, deps(audited), "/lanes/acme/siem").Body.String(); strings.Contains(body, "audit</dt>") {
		t.Error("the page of a lane without audits mentions one")
	}
	audited.Audits = &pipeline.Audits{Next: time.Now().Add(time.Hour)}
	if body := serve(t, deps(audited), "/lanes/acme/siem").Body.String(); !strings.Contains(body, "<dt>First audit due</dt>") {
		t.Error("the page does not say when the first audit is due")
	}
	at := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	audited.Audits.Last = audit.Result{At: at, From: at.Add(-48 * time.Hour), Through: at.Add(-time.Hour), Compared: 1200, Missing: 1, Lateness: time.Hour}
	audited.Audits.Advice = 2 * time.Hour
	body := serve(t, deps(audited), "/lanes/acme/siem").Body.String()
	for _, want := range []string{
		"<dt>Last audit</dt>", "1200 events from 2026-11-01T12:00:00Z to 2026-11-03T11:00:00Z compared: 1 missing and delivered",
		`<div class="warn"><dt>Overlap is too short, set it to</dt><dd>2h0m0s</dd>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// The page of a lane with evidence says how far its log is, and that of another lane does
// not mention it.
func TestALaneSaysHowFarItsLogIs(t *testing.T) {
	sealed := caughtUp("acme", "siem")
	if body := serve(t, deps(sealed), "/lanes/acme/siem").Body.String(); strings.Contains(body, "numbered") {
		t.Error("the page of a lane without evidence mentions numbers")
	}
	sealed.Evidence = &pipeline.Evidence{Records: 12_345, Covered: 12_300, LastNote: time.Now().Add(-time.Minute), Pending: 2}
	body := serve(t, deps(sealed), "/lanes/acme/siem").Body.String()
	for _, want := range []string{
		"<dt>Records numbered</dt><dd>12,345</dd>", "<dt>Not sealed yet</dt><dd>45</dd>", "<dt>Last seal or note</dt>",
		`<div class="warn"><dt>Notes not delivered</dt><dd>2</dd>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestAddresses(t *testing.T) {
	d := deps(caughtUp("acme", "siem"))
	for path, want := range map[string]int{
		"/": 200, "/?q=siem&page=7": 200, "/lanes/acme/siem": 200, "/events": 200, "/events?q=a": 200,
		"/lanes/acme/other": 404, "/events/0123456789abcdef": 404, "/assets/console.css": 404, "/other": 404, "/live": 400,
	} {
		if answer := serve(t, d, path); answer.Code != want {
			t.Errorf("%s: got status %d, want %d: %s", path, answer.Code, want, answer.Body)
		}
	}
}

// TestEventsAreShownOnlyInPrivate asks every address for an event by its name.
func TestEventsAreShownOnlyInPrivate(t *testing.T) {
	const secret = "Grace Hopper"
	s := hostileScene(t, secret)
	s.deps.Target = func(string) string { return "" }
	lanes := []pipeline.Status{caughtUp("acme", "siem")}
	s.deps.Lanes = func() []pipeline.Status { return lanes }
	for _, private := range []bool{true, false} {
		s.deps.Private = private
		h := s.handler()
		for _, path := range []string{"/", "/events", "/events?q=grace", "/events/" + s.key, "/live?page=/", "/live?page=/events", "/live?page=/events/" + s.key} {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a stream ends after its first look
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			if got := strings.Contains(answer.Body.String(), secret); got != private {
				t.Errorf("%s with Private %t: the event is shown: %t", path, private, got)
			}
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/events", nil))
		if got := strings.Contains(answer.Body.String(), "admin.token_file"); got == private {
			t.Errorf("with Private %t the page says what to do: %t", private, got)
		}
	}
}
