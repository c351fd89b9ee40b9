package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/testcert"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform"
)

const ownToken = "99999999-8888-7777-6666-555555555555"

// provoked is a daemon to which everything happens that the own log tells of.
type provoked struct {
	dir, file string
	api       *simulator.Server
	bus       *kfake.Cluster

	refusing atomic.Bool // the log of beta refuses the credentials

	hec  *hectest.Server
	logs bytes.Buffer
}

const provoking = `
heartbeat: 1m
sources:
  - {name: acme, type: planetscale, settings: {organization: acme, url: %[1]s, service_token_id: id, service_token_file: %[2]s/token, poll_interval: 1s}}
  - {name: beta, type: planetscale, settings: {organization: acme, url: %[3]s, service_token_id: id, service_token: other, poll_interval: 1s}}
state: {settings: {dir: %[2]s/state}}
sinks:
  - {name: archive, type: file, format: raw, settings: {path: "%[2]s/{source}.ndjson"}}
  - {name: splunk, type: splunk_hec, format: ecs, sources: [acme], settings: {url: %[4]s, token: %[5]s, index: security}}
  - {name: bus, type: kafka, format: ecs, sources: [acme], settings: {brokers: ["%[6]s"], topic: audit}}
  - {name: plain, type: file, format: raw, sources: [acme], own_events: false, settings: {path: %[2]s/plain.ndjson}}
  - {name: pager, type: file, format: cef, own_events: only, settings: {path: %[2]s/pager.cef}}
admin: {listen: "127.0.0.1:0", tls: {cert_file: %[2]s/server.pem, key_file: %[2]s/server.key}}
`

func provoke(t *testing.T) *provoked {
	t.Helper()
	p := &provoked{dir: t.TempDir()}
	p.api = simulator.New(simulator.Config{Events: 20})
	acme := httptest.NewServer(p.api)
	t.Cleanup(acme.Close)
	// The log of beta has a clock that is wrong, and refuses the credentials at first.
	p.refusing.Store(true)
	beta := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.refusing.Load() {
			http.Error(w, `{"code":"unauthorized"}`, http.StatusUnauthorized)
			return
		}
		answer := httptest.NewRecorder()
		p.api.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // The client may be gone.
	}))
	t.Cleanup(beta.Close)
	refused := ""
	for e := range p.api.Ever() {
		refused = e.ID
	}
	p.hec = hectest.NewServer(hectest.Config{Token: ownToken, Refuse: func(e hectest.Event) int {
		if bytes.Contains(e.Event, []byte(refused)) {
			return 6
		}
		return 0
	}})
	splunk := httptest.NewServer(p.hec)
	t.Cleanup(splunk.Close)
	bus, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	p.bus = bus
	if _, err := testcert.Write(p.dir); err != nil {
		t.Fatal(err)
	}
	p.write(t, "token", "first")
	p.file = p.write(t, "sluice.yaml", fmt.Sprintf(provoking, acme.URL, p.dir, beta.URL, splunk.URL, ownToken, bus.ListenAddrs()[0]))
	return p
}

func (p *provoked) write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs the daemon until all those actions were seen in all sinks.
func (p *provoked) run(t *testing.T, until ...ownlog.Action) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, []string{"run", "-c", p.file}, nil, &p.logs, &p.logs) }()
	deadline := time.Now().Add(2 * time.Minute)
	for missing := p.missing(t, until); len(missing) > 0 && len(ended) == 0; missing = p.missing(t, until) {
		if time.Now().After(deadline) {
			t.Errorf("not delivered: %q", missing)
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("run ended with %d", code)
	}
	if t.Failed() {
		t.Logf("the log was\n%s", p.logs.String())
	}
}

// missing lists the actions that a sink does not have yet.
func (p *provoked) missing(t *testing.T, actions []ownlog.Action) (list []string) {
	has := p.delivered(t)
	for _, a := range actions {
		for name, records := range has {
			if !slices.ContainsFunc(records, func(r string) bool { return strings.Contains(r, string(a)) }) {
				list = append(list, fmt.Sprintf("%s: %s", name, a))
			}
		}
	}
	return list
}

// delivered returns the records that each sink with own events has.
func (p *provoked) delivered(t *testing.T) map[string][]string {
	has := map[string][]string{"archive": p.lines("sluice.ndjson"), "pager": p.lines("pager.sluice.cef"), "splunk": nil, "bus": p.consumed(t)}
	for _, e := range p.hec.Events() {
		has["splunk"] = append(has["splunk"], string(e.Event))
	}
	return has
}

func (p *provoked) lines(name string) []string {
	data, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// consumed returns the committed records of the topic.
func (p *provoked) consumed(t *testing.T) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.bus.ListenAddrs()...), kgo.ConsumeTopics("audit"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var all []string
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { all = append(all, string(r.Value)) })
	}
	return all
}

// TestEveryEventOfTheOwnLogReachesEverySink provokes what the own log tells of, and wants
// it in a file, in Kafka and in HEC, and none of it where it is not wanted. What takes a
// minute by its nature is left out of a short test.
func TestEveryEventOfTheOwnLogReachesEverySink(t *testing.T) {
	t.Parallel()
	p := provoke(t)
	first := []ownlog.Action{ownlog.Started, ownlog.CredentialRefused, ownlog.CredentialExpires, ownlog.DeadLetters}
	if !testing.Short() {
		first = append(first, ownlog.LaneUnready, ownlog.Heartbeat)
	}
	p.run(t, first...)

	var out bytes.Buffer
	if code := execute(t.Context(), []string{"checkpoint", "set", "-c", p.file, "--to", "now", "acme/plain"}, nil, &out, &out); code != 0 {
		t.Fatalf("checkpoint set ended with %d: %s", code, out.String())
	}
	p.refusing.Store(false)
	time.AfterFunc(3*time.Second, func() { p.write(t, "token", "second-token") })
	second := []ownlog.Action{ownlog.Stopped, ownlog.PositionSet, ownlog.ClockSkew, ownlog.CredentialChanged}
	p.run(t, second...)

	for name, records := range p.delivered(t) {
		for _, secret := range []string{ownToken, "second-token", `"first"`} {
			if i := slices.IndexFunc(records, func(r string) bool { return strings.Contains(r, secret) }); i >= 0 {
				t.Errorf("sink %s got the secret %q: %s", name, secret, records[i])
			}
		}
	}
	for _, line := range p.lines("plain.ndjson") {
		if strings.Contains(line, "sluice.started") {
			t.Errorf("a sink without own events got %s", line)
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, "pager.cef")); err == nil {
		t.Error("the pager has a file of events of sources")
	}
	p.wantTheCaller(t)
}

// wantTheCaller wants that the event about the position names who set it.
func (p *provoked) wantTheCaller(t *testing.T) {
	t.Helper()
	for _, line := range p.lines("sluice.ndjson") {
		var e ownlog.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Instance.PID != os.Getpid() || e.Instance.Version == "" {
			t.Errorf("event %s is of %+v", e.Action, e.Instance)
		}
		if who := caller(); e.Action == ownlog.PositionSet && (e.Actor == nil || *e.Actor != *who || e.Subject.Name != "acme/plain") {
			t.Errorf("got the actor %+v and the subject %+v, want %+v", e.Actor, e.Subject, who)
		}
	}
}

// TestThePageOfTheOwnLog wants each action in its table, and an example that is an event.
func TestThePageOfTheOwnLog(t *testing.T) {
	page, err := os.ReadFile("../../docs/own-log.md")
	if err != nil {
		t.Fatal(err)
	}
	own := ownlog.Type()
	catalogue, err := transform.ParseCatalogue(own.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range catalogue.Actions() {
		name, is := strings.CutPrefix(action, ownlog.Name+".")
		added := slices.Contains([]string{"gap", "audit", "open", "seal", "statement"}, name) // by lanes, to any log
		if is && !added && !bytes.Contains(page, []byte("\n| `"+name+"` |")) {
			t.Errorf("the table lacks %s", action)
		}
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "\n```")
	events, err := own.Parse([]byte(example), ownlog.Organization)
	if err != nil || len(events) != 1 || events[0].Problem != "" || !slices.Contains(catalogue.Actions(), events[0].Action) {
		t.Errorf("the example is %+v, %v", events, err)
	}
}
