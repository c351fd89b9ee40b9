//go:build integration

package app_test

import (
	"fmt"
	"hash/fnv"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// The process is killed twenty times and more, until Splunk has had every kind of
// trouble. Nothing is lost. What Splunk refuses becomes a dead letter with the reason. An event is indexed
// again only if the process could not know that it was indexed.
func TestKilledProcessLosesNothingInSplunk(t *testing.T) {
	t.Parallel()
	const least, most, each = 20, 100, 5000
	rest := 100_000
	if testing.Short() {
		rest = 20_000
	}
	s := newSplunkSite(t)
	began := time.Now()
	lives := 0
	for ; lives < least || lives < most && !s.played(); lives++ {
		s.api.Append(each)
		s.mu.Lock()
		s.life++
		s.mu.Unlock()
		s.live(t, func() {})
		s.server.CloseClientConnections() // Requests that nobody has read yet do not count for the next life.
	}
	t.Logf("%d kills in %s", lives, time.Since(began).Round(time.Second))
	s.mend()
	s.api.Append(rest)
	cmd, stderr := s.command("--once")
	if err := cmd.Run(); err != nil {
		t.Fatalf("catching up: %v: %s", err, stderr)
	}
	s.judge(t, lives*each+rest)
}

// splunkSite is a site that delivers to a strict server.
type splunkSite struct {
	*mortal
	hec    *hectest.Server
	server *httptest.Server

	faults    map[string]int
	dealt     map[string]int // number of faults by path, skipped ones included
	calm      bool           // only faults that end at once
	life      int            // number of the running process
	channels  map[string]int // the process that each channel belongs to
	times     map[string]int // number of copies of each event in the index
	confirmed map[string]int // the process that had proof of an event
	unknown   int            // events indexed again by a process without proof
	killed    int            // events indexed again by a later process
	needless  int            // events indexed again by the process that had proof
}

func newSplunkSite(t *testing.T) *splunkSite {
	s := &splunkSite{
		mortal: newMortal(newSite(t, simulator.Config{Seed: 7, Latency: time.Millisecond}), 7, 50, 150*time.Millisecond, time.Second),
		faults: map[string]int{}, dealt: map[string]int{}, channels: map[string]int{},
		times: map[string]int{}, confirmed: map[string]int{},
	}
	const token = "11111111-2222-3333-4444-555555555555"
	s.hec = hectest.NewServer(hectest.Config{
		Token: token, Ack: true, AckDelay: 100 * time.Millisecond, Sticky: true, Renew: true, Firewall: true, Strict: true,
		Refuse: unlucky, Script: s.befalls, Indexed: s.indexed, Confirmed: s.confirm,
	})
	s.server = httptest.NewServer(s.hec)
	t.Cleanup(s.server.Close)
	s.write(t, "token", token)
	s.configure(t, "100ms", fmt.Sprintf(`  - name: splunk
    type: splunk_hec
    own_events: false
    format: ecs
    settings:
      url: %s
      token_file: %s
      ack: required
`, s.server.URL, s.path("token")))
	return s
}

func (s *splunkSite) befalls(q hectest.Request) hectest.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.channels[q.Channel]; !known {
		s.channels[q.Channel] = s.life
	}
	s.asked(q.Path == hectest.PathEvent)
	often := 4
	if s.calm {
		often = 40
	}
	if s.random.IntN(often) > 0 {
		return hectest.Fault{}
	}
	return s.deal(q)
}

// deal returns the faults in turn, and skips those that do not fit.
func (s *splunkSite) deal(q hectest.Request) hectest.Fault {
	for {
		c := cards[s.dealt[q.Path]%len(cards)]
		s.dealt[q.Path]++
		if s.calm && c.lasting || q.Events < c.events {
			continue
		}
		s.faults[c.name]++
		return halfWay(c.fault, q.Events)
	}
}

// halfWay puts the number of the event in the middle into an answer that has one.
func halfWay(f hectest.Fault, events int) hectest.Fault {
	if f.Answer != nil && f.Answer.Number != nil {
		half := events / 2
		f.Answer = &hectest.Answer{Status: 503, Code: 9, Number: &half}
		f.Taken = half
	}
	return f
}

// cards lists all faults that the server can play.
var cards = []struct {
	name    string
	events  int  // least number of events in the request
	lasting bool // it delays a client for more than a moment
	fault   hectest.Fault
}{
	{"slow", 0, false, hectest.Fault{Delay: 200 * time.Millisecond}},
	{"reset", 0, false, hectest.Fault{Reset: true}},
	{"reset after", 1, false, hectest.Fault{Reset: true, Handled: true}},
	{"hang", 0, true, hectest.Fault{Hang: true}},
	{"busy", 0, false, hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 9}}},
	{"busy half way", 1, false, hectest.Fault{Answer: &hectest.Answer{Number: new(int)}}},
	{"capacity", 0, false, hectest.Fault{Answer: &hectest.Answer{Status: 429, Code: 26, RetryAfter: 1}}},
	{"hang after", 0, true, hectest.Fault{Hang: true, Handled: true}},
	{"move", 0, false, hectest.Fault{Move: true}},
	{"shutting down", 0, false, hectest.Fault{Answer: &hectest.Answer{Status: 503, Code: 23}}},
	{"internal error", 0, false, hectest.Fault{Answer: &hectest.Answer{Status: 500, Code: 8}}},
	{"forget", 1, true, hectest.Fault{Forget: true}},
	{"bad gateway after", 1, false, hectest.Fault{Answer: &hectest.Answer{Status: 502, HTML: true}, Handled: true}},
	{"a page with 200", 0, false, hectest.Fault{Answer: &hectest.Answer{Status: 200, HTML: true}}},
	{"token revoked", 0, true, hectest.Fault{Answer: &hectest.Answer{Status: 403, Code: 4}}},
	{"too large", 2, false, hectest.Fault{Answer: &hectest.Answer{Status: 413, HTML: true}}},
	{"success unheard", 0, true, hectest.Fault{Reset: true, Handled: true}},
	{"index gone", 1, true, hectest.Fault{Answer: &hectest.Answer{Status: 400, Code: 7}}},
	{"unsupported", 0, true, hectest.Fault{Answer: &hectest.Answer{Status: 415, HTML: true}}},
	{"channel refused", 0, true, hectest.Fault{Answer: &hectest.Answer{Status: 400, Code: 11}}},
}

func idOf(e hectest.Event) string { return fmt.Sprint(e.Fields["sluice_event_id"]) }

// unlucky refuses one event in five thousand, always the same ones.
func unlucky(e hectest.Event) (code int) {
	h := fnv.New32a()
	h.Write([]byte(idOf(e)))
	if n := h.Sum32(); n%5000 == 0 {
		return []int{6, 12, 13, 15}[n/5000%4]
	}
	return 0
}

func (s *splunkSite) indexed(e hectest.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := idOf(e)
	s.times[id]++
	life, proof := s.confirmed[id]
	switch {
	case s.times[id] == 1:
	case !proof:
		s.unknown++
	case life == s.channels[e.Channel]:
		s.needless++
	default:
		s.killed++
	}
}

func (s *splunkSite) confirm(e hectest.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed[idOf(e)] = s.channels[e.Channel]
}

// played reports whether the server has played every card.
func (s *splunkSite) played() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults) == len(cards)
}

// mend ends the faults that last.
func (s *splunkSite) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
	s.life++
}

func (s *splunkSite) judge(t *testing.T, events int) {
	t.Helper()
	s.hec.Events() // What is in memory until now is indexed.
	reasons := map[string]string{}
	for letter, err := range deadletter.Letters(s.path("state/dead-letters"), "acme/splunk") {
		if err != nil {
			t.Fatal(err)
		}
		reasons[letter.Reject.Record.ID] = letter.Reject.Reason
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ever, lost, bad := 0, 0, 0
	for e := range s.api.Ever() {
		ever++
		reason, buried := reasons[e.ID]
		switch code := unlucky(hectest.Event{Fields: map[string]any{"sluice_event_id": e.ID}}); {
		case code > 0:
			bad++
			if want := fmt.Sprintf("(code %d)", code); !strings.Contains(reason, want) || s.times[e.ID] > 0 {
				t.Errorf("bad event %s: indexed %d times, dead letter %q, want one with %s", e.ID, s.times[e.ID], reason, want)
			}
		case buried:
			t.Errorf("event %s is a dead letter, but it is not bad: %s", e.ID, reason)
		case s.times[e.ID] == 0:
			lost++
		}
	}
	t.Logf("%d events, %d of them bad; indexed again: %d because the answer was unknown, %d because the process was killed before it had saved; %v", ever, bad, s.unknown, s.killed, s.faults)
	if ever != events || bad == 0 || s.unknown == 0 || s.killed == 0 || len(s.faults) < len(cards) {
		t.Error("there were too few faults for this test")
	}
	if lost > 0 || s.needless > 0 {
		t.Errorf("%d events are lost, %d were indexed again by the process that had proof", lost, s.needless)
	}
}
