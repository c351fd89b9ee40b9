package httpsink_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/servicetest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

func presetNamed(t testing.TB, name string) aPreset {
	t.Helper()
	i := slices.IndexFunc(presets, func(p aPreset) bool { return p.name == name })
	if i < 0 {
		t.Fatalf("no preset %s", name)
	}
	return presets[i]
}

// keeper is a transport that keeps the bodies of requests, and answers as told.
type keeper struct {
	status int
	text   string
	bodies []string
}

func (k *keeper) RoundTrip(r *http.Request) (*http.Response, error) {
	w := newRecorder(k.status, k.text)
	k.bodies = append(k.bodies, readBody(r))
	return w, nil
}

// A log has Datadog's members first, and the fields of the record beside them, or under the
// name of its format.
func TestDatadogLogs(t *testing.T) {
	k := &keeper{status: 202}
	s := presetNamed(t, "datadog").settings("http://localhost").(*httpsink.DatadogSettings)
	s.Tags = []string{"env:production", "team:security"}
	snk := httpsink.OpenPreset(k, sink.Env{Dataset: "acme.audit", Log: zerolog.Nop()}, s, false)
	defer closing(t, snk)
	text := cardRecord("cef", 3, 0)
	text.MediaType, text.Object, text.Body, text.Severity = "text/plain", false, []byte("CEF:0|a \"b\" \xff|"), 9
	batch := []sink.Record{cardRecord("ecs", 1, 0), cardRecord("ocsf", 2, 0), text, {ID: "4", Format: "ecs", Object: true, Body: []byte("{}"), Severity: 7}}
	if err := snk.Publish(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "datadog-logs.golden", strings.ReplaceAll(k.bodies[0], `},{"ddsource"`, "},\n{\"ddsource\"")+"\n")
	if !json.Valid([]byte(k.bodies[0])) {
		t.Error("it is not JSON")
	}
}

// Datadog cuts a log above its limit and says 202.
func TestNoDatadogLogIsCut(t *testing.T) {
	r := newSite(t, presetNamed(t, "datadog"))
	snk := r.open(t)
	most := snk.(sink.Limiter).Limits().RecordBytes
	text := r.record(1, 0)
	text.Format, text.MediaType, text.Object, text.Body = "cef", "text/plain", false, []byte(strings.Repeat(`"`, most))
	grows := r.record(2, 0)
	grows.Format, grows.MediaType, grows.Object, grows.Body = "cef", "text/plain", false, []byte(strings.Repeat("\x00", most))
	if err := snk.Publish(t.Context(), []sink.Record{text}); err != nil {
		t.Error(err)
	}
	if err := snk.Publish(t.Context(), []sink.Record{grows}); !sink.IsPermanent(err) {
		t.Errorf("a log that grows beyond the limit: got %v, want it rejected", err)
	}
	if got := r.Broken(); len(got) > 0 || len(r.ids()) != 1 {
		t.Errorf("%v, %d logs", got, len(r.ids()))
	}
}

// TestDedupKeys checks that no two events have the same key, and that each has the length
// that PagerDuty takes.
func TestDedupKeys(t *testing.T) {
	r := newSite(t, presetNamed(t, "pagerduty"))
	snk := r.open(t)
	long := strings.Repeat("x", 300)
	ids := [][2]string{{"acme", "1"}, {"globex", "1"}, {"", "1"}, {"acme", long + "a"}, {"acme", long + "b"}, {"acme", "a  b"}, {"acme", "a b"}, {"acme", "\x01"}, {"acme", "\ufffd"}, {"acme", strings.Repeat("ä", 200)}}
	for i, id := range ids {
		record := r.record(i, 0)
		record.Organization, record.ID = id[0], id[1]
		for range 2 {
			if err := snk.Publish(t.Context(), []sink.Record{record}); err != nil {
				t.Fatalf("%q: %v", id, err)
			}
		}
	}
	if got := len(r.Events()); got != len(ids) {
		t.Errorf("%d alerts for %d events, each sent twice", got, len(ids))
	}
}

// A wrong routing key is an answer 400, as a bad event is. It must not bury events.
func TestAWrongRoutingKeyIsNoFaultOfAnEvent(t *testing.T) {
	for _, key := range []string{"short", strings.Repeat("0", 32)} {
		r := newSite(t, presetNamed(t, "pagerduty"))
		s := r.settings(r.origin).(*httpsink.PagerDutySettings)
		s.RoutingKey = setting.NewSecret(key)
		if err := r.openWith(t, s).Publish(t.Context(), r.batch(2)); !failure.IsRefused(err) || sink.IsPermanent(err) {
			t.Errorf("key %q: got %v, want a refused credential", key, err)
		}
	}
}

// The texts of Slack's answers decide, since several errors share a status.
func TestSlackReasons(t *testing.T) {
	for _, tt := range []struct {
		status int
		text   string
		want   string
	}{
		{200, "ok", "delivered"}, {200, "okay", "destination"}, {200, "", "destination"}, {400, "invalid_payload", "rejected"}, {400, "invalid_blocks", "rejected"},
		{400, "no_text", "rejected"}, {400, "user_not_found", "destination"}, {404, "channel_not_found", "destination"}, {410, "channel_is_archived", "destination"},
		{403, "action_prohibited", "destination"}, {403, "posting_to_general_channel_denied", "destination"}, {403, "invalid_token", "refused credential"},
		{404, "no_service", "refused credential"}, {404, "no_team", "refused credential"}, {500, "rollup_error", "again"}, {500, "no_text", "again"}, {429, "no_text", "again"},
	} {
		k := &keeper{status: tt.status, text: tt.text}
		snk := httpsink.OpenPreset(k, sink.Env{Log: zerolog.Nop()}, presetNamed(t, "slack").settings("http://localhost"), false)
		if err := snk.Publish(t.Context(), []sink.Record{cardRecord("ecs", 1, 0)}); outcome(err) != tt.want {
			t.Errorf("%d %s: %s, want %s: %v", tt.status, tt.text, outcome(err), tt.want, err)
		}
		closing(t, snk)
	}
}

// A notification names the worst event of its message.
func TestSlackNotifications(t *testing.T) {
	k := &keeper{status: 200, text: "ok"}
	snk := httpsink.OpenPreset(k, sink.Env{Log: zerolog.Nop()}, presetNamed(t, "slack").settings("http://localhost"), false)
	defer closing(t, snk)
	batch := []sink.Record{cardRecord("ecs", 1, 0), cardRecord("ecs", 2, 0), cardRecord("ecs", 3, 0)}
	batch[1].Severity, batch[1].Body = 9, []byte(`{"message":"Token <leaked>"}`)
	if err := snk.Publish(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if want := `"text":"🔴 Token &lt;leaked&gt; (and 2 more)"`; !strings.Contains(k.bodies[0], want) {
		t.Errorf("got %s, want %s in it", k.bodies[0], want)
	}
}

// Slack and Teams take one message a second, and turn off who sends more. A flood is sent
// slowly, and each event of it is in some message.
func TestMessagesKeepThePace(t *testing.T) {
	for _, name := range []string{"slack", "teams"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := presetNamed(t, name)
				server := p.server()
				var times []time.Time
				server.Script(func(servicetest.Request) servicetest.Fault {
					times = append(times, time.Now())
					return servicetest.Fault{}
				})
				over, stop := piped(t, server)
				snk := httpsink.OpenPreset(over, sink.Env{Log: zerolog.Nop()}, p.settings("http://localhost"), true)
				var batch []sink.Record
				for i := range snk.(sink.Limiter).Limits().Records {
					batch = append(batch, cardRecord("ecs", i, 0))
				}
				for range 2 {
					if err := snk.Publish(t.Context(), batch); err != nil {
						t.Error(err)
					}
				}
				closing(t, snk)
				stop()
				if got, want := len(server.Events()), 2*len(batch); got != want || len(times) != 10 {
					t.Errorf("%d events in %d messages, want %d in 10", got, len(times), want)
				}
				for i := 1; i < len(times); i++ {
					if gap := times[i].Sub(times[i-1]); gap < time.Second {
						t.Errorf("message %d follows after %v", i, gap)
					}
				}
			})
		})
	}
}

// piped serves over pipes, in a bubble.
func piped(t *testing.T, handler http.Handler) (over *http.Transport, stop func()) {
	pipe := simulator.NewPipeListener()
	server := &http.Server{Handler: handler}
	served := make(chan error, 1)
	go func() { served <- server.Serve(pipe) }()
	over = &http.Transport{DialContext: pipe.DialContext}
	return over, func() {
		over.CloseIdleConnections()
		if err := errors.Join(server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
}

func closing(t testing.TB, snk sink.Sink) {
	t.Helper()
	if err := snk.Close(); err != nil {
		t.Error(err)
	}
}

// Secrets in files are read again for each request, also an address.
func TestPresetsReadSecretsAgain(t *testing.T) {
	eachPreset(t, func(t *testing.T, r *site) {
		file := filepath.Join(t.TempDir(), "secret")
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		settings := r.settings(r.origin)
		secret := secretOf(settings)
		right, err := secret.Value()
		if err != nil {
			t.Fatal(err)
		}
		*secret = setting.SecretFile(file)
		write(strings.Replace(right, "ecret7", "ecret0", 1) + "0")
		if r.name == "pagerduty" || r.name == "datadog" {
			write(strings.Repeat("f", 32))
		}
		snk := r.openWith(t, settings)
		if err := snk.Publish(t.Context(), r.batch(1)); !failure.IsRefused(err) && r.name != "teams" {
			t.Errorf("with another secret: got %v, want a refused credential", err)
		}
		write(right)
		if err := snk.Publish(t.Context(), r.batch(1)); err != nil {
			t.Errorf("after the file was changed: %v", err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := snk.Publish(t.Context(), r.batch(1)); outcome(err) != "destination" || !strings.Contains(failure.Hint(err), "can read") {
			t.Errorf("without the file: got %v (%s), want a fault of the destination that names the key", err, failure.Hint(err))
		}
	})
}

// secretOf returns the secret that a service knows a client by.
func secretOf(settings any) *setting.Secret {
	switch s := settings.(type) {
	case *httpsink.DatadogSettings:
		return &s.APIKey
	case *httpsink.SumoSettings:
		return &s.URL
	case *httpsink.PantherSettings:
		return &s.Secret
	case *httpsink.SlackSettings:
		return &s.URL
	case *httpsink.TeamsSettings:
		return &s.URL
	}
	return &settings.(*httpsink.PagerDutySettings).RoutingKey
}

// Check writes nothing, and says what it cannot know.
func TestPresetsCheckWithoutAWrite(t *testing.T) {
	want := map[string]string{"slack": "knows the webhook"}
	eachPreset(t, func(t *testing.T, r *site) {
		line, err := r.open(t).(sink.Checker).Check(t.Context())
		said := cmp.Or(want[r.name], "only --send-test shows")
		if err != nil || !strings.Contains(line, said) || slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(line, s) }) {
			t.Errorf("got %q, %v; want %q in it, and no secret", line, err, said)
		}
		if len(r.Events()) > 0 {
			t.Errorf("check wrote %d events", len(r.Events()))
		}
	})
}

// Slack says whether it knows a webhook, and Datadog whether a key is valid.
func TestCheckFindsWrongCredentials(t *testing.T) {
	r := newSite(t, presetNamed(t, "slack"))
	s := r.settings(r.origin).(*httpsink.SlackSettings)
	s.URL = setting.NewSecret(r.origin + "/services/T0/B0/other")
	if _, err := r.openWith(t, s).(sink.Checker).Check(t.Context()); !failure.IsRefused(err) {
		t.Errorf("an unknown webhook of Slack: %v", err)
	}
	for key, valid := range map[string]bool{apiKey: true, "another-key": false} {
		server := presetNamed(t, "datadog").server()
		asked := &router{server: server}
		d := presetNamed(t, "datadog").settings("").(*httpsink.DatadogSettings)
		d.URL, d.APIKey = "", setting.NewSecret(key)
		snk := httpsink.OpenPreset(asked, sink.Env{Log: zerolog.Nop()}, d, false)
		line, err := snk.(sink.Checker).Check(t.Context())
		if (err == nil) != valid || !valid && !failure.IsRefused(err) || valid && !strings.Contains(line, "valid") {
			t.Errorf("key of Datadog, valid %v: %q, %v", valid, line, err)
		}
		if want := []string{"api.datadoghq.eu"}; !slices.Equal(asked.hosts, want) {
			t.Errorf("asked %v, want %v", asked.hosts, want)
		}
		closing(t, snk)
	}
}

// router is a transport to a handler, whatever the host.
type router struct {
	server http.Handler
	hosts  []string
}

func (r *router) RoundTrip(q *http.Request) (*http.Response, error) {
	r.hosts = append(r.hosts, q.URL.Host)
	return handled(r.server, q), nil
}
