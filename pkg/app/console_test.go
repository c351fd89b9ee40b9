package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/admin"
	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/testcert"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

const rendered = `
sources:
  - {name: a, type: staged}
  - {name: b, type: staged}
sinks:
  - name: one
    type: staged
    format: ecs
    sources: [a]
    where: action != "branch.deleted"
    redact: {fields: [{field: actor.name, how: remove}]}
    settings: {name: one}
  - {name: two, type: staged, format: raw, sources: [a, b], settings: {name: two}}
`

func keptEvent(action string) console.Kept {
	return console.Kept{Source: "a", Event: source.Event{
		ID: "e1", Time: time.Now(), Read: time.Now(), Organization: "acme", Action: action,
		Actor: source.Party{ID: "u1", Type: "User", Name: "Ada Lovelace"}, Raw: []byte(`{"id":"e1","actor_display_name":"Ada Lovelace"}`),
	}}
}

// The console shows exactly what each sink gets.
func TestRenderShowsWhatEachSinkGets(t *testing.T) {
	cfg := newStage().config(t, rendered)
	render := newRenderer(cfg.Lanes(), &prepare.Stock{}).render
	got := render(t.Context(), keptEvent("branch.created"))
	if len(got) != 2 || got[0].Sink != "one" || got[0].Format != "ecs" || got[1].Sink != "two" || got[1].Format != "raw" {
		t.Fatalf("got %+v, want what sinks one and two get", got)
	}
	if strings.Contains(got[0].Body, "Lovelace") || !strings.Contains(got[0].Body, `"action":"branch.created"`) {
		t.Errorf("sink one, which must not have the actor's name, gets %s", got[0].Body)
	}
	if want := keptEvent("").Event.Raw; got[1].Body != string(want) {
		t.Errorf("sink two gets %s, want %s", got[1].Body, want)
	}
	ruled := 0
	for _, f := range got[0].Fields {
		if f.Rule != "" {
			ruled++
		}
	}
	if ruled < 5 {
		t.Errorf("%d fields of %+v have a rule, want most", ruled, got[0].Fields)
	}
	if got := render(t.Context(), keptEvent("branch.deleted")); got[0].Body != "" || !strings.Contains(got[0].Withheld, "where") || got[1].Body == "" {
		t.Errorf("an event that where filters: got %+v", got)
	}
	cut, reject, other := keptEvent("branch.created"), keptEvent("branch.created"), keptEvent("branch.created")
	cut.Cut = true
	reject.Event.Reject, reject.Event.Problem = true, "too large"
	other.Source = "nobody's"
	if got := render(t.Context(), cut); got[0].Body != "" || got[0].Withheld == "" {
		t.Errorf("an event that is not whole: got %+v", got[0])
	}
	if got := render(t.Context(), reject); got[0].Withheld != "a dead letter: too large" {
		t.Errorf("an event that no sink gets: got %+v", got[0])
	}
	if got := render(t.Context(), other); len(got) != 0 {
		t.Errorf("an event of a source without sinks: got %+v", got)
	}
}

// What fails for one sink is shown, and the others are rendered.
func TestRenderShowsFailures(t *testing.T) {
	cfg := newStage().config(t, strings.Replace(rendered, "    where:", "    enrich: {city: /nonexistent.mmdb}\n    where:", 1))
	got := newRenderer(cfg.Lanes(), &prepare.Stock{}).render(t.Context(), keptEvent("branch.created"))
	if len(got) != 2 || !strings.Contains(got[0].Withheld, "nonexistent") || got[1].Body == "" {
		t.Errorf("got %+v, want the reason for sink one, and what sink two gets", got)
	}
}

func TestRenderIsSafeForConcurrentUse(t *testing.T) {
	cfg := newStage().config(t, rendered)
	render := newRenderer(cfg.Lanes(), &prepare.Stock{}).render
	want := render(t.Context(), keptEvent("branch.created"))[1].Body
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got := render(t.Context(), keptEvent("branch.created")); got[1].Body != want || strings.Contains(got[0].Body, "Lovelace") {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
	group.Wait()
}

// Lanes tell the console of their events, and its memory comes out of their budget.
func TestTheConsoleLooksOnAtEveryLane(t *testing.T) {
	cfg := newStage().config(t, "memory: 64MiB\n"+rendered)
	b := newBuilder(t.Context(), cfg, newInMemory(), zerolog.Nop())
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	held := b.memory.budget.Usage().Held
	activity := b.remember()
	if got := b.memory.budget.Usage().Held - held; got != 4<<20 {
		t.Errorf("the console takes %d bytes of the budget of 64 MiB, want a sixteenth", got)
	}
	for _, l := range cfg.Lanes() {
		lane, err := b.build(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		lane.Observe([]source.Event{keptEvent("branch.created").Event}, true)
	}
	var from []string
	for _, k := range activity.Recent("", "", 10) {
		from = append(from, k.Source)
	}
	slices.Sort(from)
	if want := []string{"a", "b"}; !slices.Equal(from, want) {
		t.Errorf("events of %q are remembered, want one of each of %q", from, want)
	}
}

func TestWhoMaySeeEvents(t *testing.T) {
	for _, c := range []struct {
		address string
		token   bool
		want    bool
	}{
		{"127.0.0.1:0", false, true},
		{"localhost:0", false, true},
		{"0.0.0.0:0", false, false},
		{":0", false, false},
		{"0.0.0.0:0", true, true},
	} {
		listener, err := net.Listen("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		a := config.Admin{Listen: c.address}
		if c.token {
			a.Token = setting.NewSecret("correct-horse-battery")
		}
		if got := private(a, listener); got != c.want {
			t.Errorf("at %s with a token %t: private is %t, want %t", c.address, c.token, got, c.want)
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestATokenInClearTextIsAWarning(t *testing.T) {
	token, tls := setting.NewSecret("correct-horse-battery"), &setting.ServerTLS{}
	for _, c := range []struct {
		admin config.Admin
		want  int
	}{
		{config.Admin{Listen: "0.0.0.0:9876", Token: token}, 1},
		{config.Admin{Listen: ":9876", Token: token}, 1},
		{config.Admin{Listen: "0.0.0.0:9876", Token: token, TLS: tls}, 0},
		{config.Admin{Listen: "127.0.0.1:9876", Token: token}, 0},
		{config.Admin{Listen: "0.0.0.0:9876"}, 0},
	} {
		if got := adminToken(c.admin); len(got) != c.want || c.want > 0 && (got[0].mark != warning || got[0].refuses) {
			t.Errorf("%+v: got %+v, want %d warnings", c.admin, got, c.want)
		}
	}
}

// The health check and the supervisor trust the configured certificate, and ask for no
// token.
func TestHealthOverTLS(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, other} {
		if _, err := testcert.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	files := func(dir string) *setting.ServerTLS {
		return &setting.ServerTLS{CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key")}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := config.Admin{Listen: listener.Addr().String(), Token: setting.NewSecret("correct-horse-battery"), TLS: files(dir)}
	deps := admin.Deps{
		Lanes: func() []pipeline.Status { return []pipeline.Status{{Lane: "acme/siem", Ready: true}} },
		Token: a.Token, TLS: a.TLS, Log: zerolog.Nop(), Console: http.NotFoundHandler(),
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- admin.Serve(ctx, listener, deps)
	}()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	address, err := adminURL(a, "/healthz")
	if err != nil || !strings.HasPrefix(address, "https://") {
		t.Fatalf("got address %q and error %v", address, err)
	}
	var out bytes.Buffer
	c := &command{stdout: &out, stderr: io.Discard}
	if err := c.askHealth(t.Context(), address, adminTransport(a)); err != nil || out.String() != "ok\n" {
		t.Errorf("health: got %q and error %v", &out, err)
	}
	if err := lives(t.Context(), a, a.Listen, time.Minute); err != nil {
		t.Errorf("the supervisor: %v", err)
	}
	if got, want := lanesAt(t.Context(), a), []string{"acme/siem"}; !slices.Equal(got, want) {
		t.Errorf("check finds the lanes %q, want %q", got, want)
	}
	a.TLS = files(other)
	if err := c.askHealth(t.Context(), address, adminTransport(a)); err == nil {
		t.Error("another certificate is trusted")
	}
	a.TLS = nil
	if err := lives(t.Context(), a, a.Listen, time.Minute); err == nil {
		t.Error("plain HTTP gets an answer")
	}
	answer, err := http.Get("http://" + a.Listen + "/")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != 400 || !strings.Contains(string(text), "HTTPS server") {
		t.Errorf("plain HTTP: got status %d, %q and error %v, want to be told that the port speaks TLS", answer.StatusCode, text, err)
	}
}

// A newcomer's first look is the demo.
func TestDemoListensElsewhereIfItMust(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	if _, err := demoListener(address, true); err == nil {
		t.Error("an address that was chosen and is taken is no error")
	}
	free, err := demoListener(address, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := free.Addr().String(); got == address || !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("it listens at %s, want a free port of loopback", got)
	}
	if err := free.Close(); err != nil {
		t.Error(err)
	}
	if none, err := demoListener("none", true); none != nil || err != nil {
		t.Errorf("got %v and error %v, want no listener", none, err)
	}
}
