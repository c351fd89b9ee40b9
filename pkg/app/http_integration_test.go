//go:build integration

package app_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// The process is killed twenty times and more, until the server has had every kind of
// trouble. Nothing is lost, and exactly what the server refuses becomes a dead letter.
func TestKilledProcessLosesNothingOverHTTP(t *testing.T) {
	t.Parallel()
	const least, most, each, rest = 20, 100, 1000, 3000
	s := newCollectorSite(t)
	began := time.Now()
	kills := 0
	for ; kills < least || kills < most && !s.played(); kills++ {
		s.api.Append(each)
		s.live(t, func() {})
		s.server.CloseClientConnections() // Requests that nobody has read yet do not count for the next life.
	}
	t.Logf("%d kills in %s", kills, time.Since(began).Round(time.Second))
	s.calm()
	s.api.Append(rest)
	cmd, stderr := s.command("--once")
	if err := cmd.Run(); err != nil {
		t.Fatalf("catching up: %v: %s", err, stderr)
	}
	s.judge(t, kills*each+rest)
}

// collectorSite is a site that delivers to a strict server.
type collectorSite struct {
	*mortal
	collector *collectortest.Server
	server    *httptest.Server

	dealt map[string]int // number of faults
	next  int            // of the faults
	ended bool           // there are no faults any more
	times map[string]int // number of copies of each event
}

func newCollectorSite(t *testing.T) *collectorSite {
	s := &collectorSite{
		mortal: newMortal(newSite(t, simulator.Config{Seed: 11, Latency: time.Millisecond}), 11, 10, 100*time.Millisecond, 300*time.Millisecond),
		dealt:  map[string]int{}, times: map[string]int{},
	}
	s.collector = collectortest.NewServer(collectortest.Config{
		Client:   collectortest.Client{ID: "sluice", Secret: "canary-secret/42", Life: 3 * time.Second},
		Identify: idIn,
		Refuse:   func(event string) bool { return unwelcome(idIn(event)) }, Script: s.befalls, Taken: s.take,
	})
	s.server = httptest.NewServer(s.collector)
	t.Cleanup(s.server.Close)
	s.write(t, "secret", "canary-secret/42")
	s.configure(t, "100ms", fmt.Sprintf(`  - name: collector
    type: http
    own_events: false
    format: ecs
    settings:
      url: %[1]s%[2]s
      auth: {type: oauth2_client_credentials, token_url: %[1]s%[3]s, client_id: sluice, client_secret_file: %[4]s}
`, s.server.URL, collectortest.Path, collectortest.TokenPath, s.path("secret")))
	return s
}

// played reports whether the server has had every fault.
func (s *collectorSite) played() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dealt) == len(collectorFaults)
}

// befalls returns the faults in turn.
func (s *collectorSite) befalls(q collectortest.Request) collectortest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked(true)
	if s.ended || s.random.IntN(3) > 0 {
		return collectortest.Fault{}
	}
	for {
		f := collectorFaults[s.next%len(collectorFaults)]
		s.next++
		if len(q.Events) >= f.events {
			s.dealt[f.name]++
			return f.fault
		}
	}
}

// collectorFaults are all faults of the server.
var collectorFaults = []struct {
	name   string
	events int // least number of events in the request
	fault  collectortest.Fault
}{
	{"slow", 0, collectortest.Fault{Delay: 50 * time.Millisecond}},
	{"reset", 0, collectortest.Fault{Reset: true}},
	{"reset after", 0, collectortest.Fault{Reset: true, Handled: true}},
	{"too large", 2, collectortest.Fault{Answer: &collectortest.Answer{Status: 413}}},
	{"cut", 0, collectortest.Fault{Cut: true}},
	{"cut after", 0, collectortest.Fault{Cut: true, Handled: true}},
	{"garbage", 0, collectortest.Fault{Garbage: true}},
	{"garbage after", 0, collectortest.Fault{Garbage: true, Handled: true}},
	{"internal error", 0, collectortest.Fault{Answer: &collectortest.Answer{Status: 500}}},
	{"bad gateway after", 0, collectortest.Fault{Answer: &collectortest.Answer{Status: 502}, Handled: true}},
	{"too many", 0, collectortest.Fault{Answer: &collectortest.Answer{Status: 429, RetryAfter: 1}}},
	{"unauthorized", 0, collectortest.Fault{Answer: &collectortest.Answer{Status: 401}}},
	{"redirect", 0, collectortest.Fault{Answer: &collectortest.Answer{Status: 307, Location: "http://127.0.0.1:1/"}}},
	{"not found", 0, collectortest.Fault{Answer: &collectortest.Answer{Status: 404}}},
	{"hang", 0, collectortest.Fault{Hang: true}},
	{"hang after", 0, collectortest.Fault{Hang: true, Handled: true}},
}

// idIn returns the id of an event.
func idIn(event string) string {
	var of struct{ Event struct{ ID string } }
	if err := json.Unmarshal([]byte(event), &of); err != nil {
		return ""
	}
	return of.Event.ID
}

// unwelcome is one event in three thousand, always the same ones.
func unwelcome(id string) bool {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()%3000 == 0
}

func (s *collectorSite) take(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[idIn(event)]++
}

// calm ends the faults.
func (s *collectorSite) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

func (s *collectorSite) judge(t *testing.T, events int) {
	t.Helper()
	reasons := map[string]string{}
	for letter, err := range deadletter.Letters(s.path("state/dead-letters"), "acme/collector") {
		if err != nil {
			t.Fatal(err)
		}
		reasons[letter.Reject.Record.ID] = letter.Reject.Reason
	}
	for _, fault := range s.collector.Faults() {
		t.Errorf("the server found a fault: %s", fault)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ever, lost, bad, again := 0, 0, 0, 0
	for e := range s.api.Ever() {
		ever++
		again += max(0, s.times[e.ID]-1)
		reason, buried := reasons[e.ID]
		switch {
		case unwelcome(e.ID):
			bad++
			if !strings.Contains(reason, "400 Bad Request") || s.times[e.ID] > 0 {
				t.Errorf("bad event %s: taken %d times, dead letter %q", e.ID, s.times[e.ID], reason)
			}
		case buried:
			t.Errorf("event %s is a dead letter, but it is not bad: %s", e.ID, reason)
		case s.times[e.ID] == 0:
			lost++
		}
	}
	t.Logf("%d events, %d of them bad, %d delivered again; %v", ever, bad, again, s.dealt)
	if ever != events || bad == 0 || again == 0 || len(s.dealt) < len(collectorFaults) {
		t.Error("there were too few faults for this test")
	}
	if lost > 0 {
		t.Errorf("%d events are lost", lost)
	}
}
