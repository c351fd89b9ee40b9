//go:build integration

package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/internal/opensearchnode"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const auditStream = "logs-planetscale.audit-default"

// elasticSite is a site that delivers to a server which a test puts trouble on.
type elasticSite struct {
	*mortal
	server *httptest.Server

	calm bool
}

func newElasticSite(t *testing.T, handler func(*elasticSite) http.Handler) *elasticSite {
	t.Helper()
	s := &elasticSite{
		mortal: newMortal(newSite(t, simulator.Config{Seed: 7, Latency: time.Millisecond}), 7, 12, 100*time.Millisecond, time.Second),
	}
	s.server = httptest.NewServer(handler(s))
	t.Cleanup(s.server.Close)
	s.configure(t, "100ms", fmt.Sprintf(`  - name: elastic
    type: elasticsearch
    own_events: false
    format: ecs
    settings:
      url: %s
      api_key: dGVzdC1pZDp0ZXN0LWtleS1vZi1zbHVpY2U=
      max_request_events: 200
`, s.server.URL))
	return s
}

// met notes a bulk request, and draws whether something befalls it: one in so many.
func (s *elasticSite) met(often int) (befalls bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked(true)
	return !s.calm && s.random.IntN(often) == 0
}

func (s *elasticSite) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *elasticSite) setCalm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

// sluice runs a command to its end, and returns what it printed.
func (s *elasticSite) sluice(t *testing.T, args ...string) string {
	t.Helper()
	cmd, stderr := s.command(args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, stderr)
	}
	return stderr.String()
}

// The process is killed twenty times and more, until the server has had every kind of trouble.
// Each event is stored once, and each that the server refuses is a dead letter with the reason.
func TestKilledProcessStoresEachEventOnce(t *testing.T) {
	t.Parallel()
	const least, most, each, rest = 20, 100, 800, 3000
	times, played := map[string]int{}, map[string]int{}
	s := newElasticSite(t, func(s *elasticSite) http.Handler {
		next := 0
		return estest.NewServer(estest.Config{
			APIKey: "dGVzdC1pZDp0ZXN0LWtleS1vZi1zbHVpY2U=", Refuse: refuseSome,
			Created: func(d estest.Document) {
				s.mu.Lock()
				defer s.mu.Unlock()
				times[d.ID]++
			},
			Script: func(q estest.Request) estest.Fault {
				if !q.Bulk() || !s.met(4) {
					return estest.Fault{}
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				f := elasticFaults[next%len(elasticFaults)]
				next++
				played[f.name]++
				return f.fault
			},
		})
	})
	allPlayed := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(played) == len(elasticFaults)
	}
	kills := 0
	for ; kills < least || kills < most && !allPlayed(); kills++ {
		s.api.Append(each)
		s.live(t, func() {})
		s.server.CloseClientConnections()
	}
	s.setCalm()
	s.api.Append(rest)
	s.sluice(t, "--once")
	reasons := map[string]string{}
	for letter, err := range deadletter.Letters(s.path("state/dead-letters"), "acme/elastic") {
		if err != nil {
			t.Fatal(err)
		}
		reasons[letter.Reject.Record.ID] = letter.Reject.Reason
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ever, bad := 0, 0
	for e := range s.api.Ever() {
		ever++
		n, reason := times["acme|"+e.ID], reasons[e.ID]
		switch refused := isRefused("acme|" + e.ID); {
		case refused && (n > 0 || !strings.Contains(reason, "mapper_parsing_exception")):
			t.Errorf("bad event %s: stored %d times, dead letter %q", e.ID, n, reason)
		case refused:
			bad++
		case n != 1 || reason != "":
			t.Errorf("event %s is stored %d times, dead letter %q", e.ID, n, reason)
		}
	}
	t.Logf("%d events, %d of them bad, %d kills, %v", ever, bad, kills, played)
	if ever != kills*each+rest || bad == 0 || len(played) < len(elasticFaults) {
		t.Errorf("%d events, %d of them bad, %d of %d faults: too little for this test", ever, bad, len(played), len(elasticFaults))
	}
}

// elasticFaults are those that end by themselves.
var elasticFaults = []struct {
	name  string
	fault estest.Fault
}{
	{"reset", estest.Fault{Reset: true}},
	{"reset after", estest.Fault{Reset: true, Handled: true}},
	{"cut", estest.Fault{Cut: true}},
	{"busy items", estest.Fault{Item: func(i int) estest.ItemFault { return someItems(i, estest.Busy) }}},
	{"items that lie", estest.Fault{Item: func(i int) estest.ItemFault {
		f := estest.Unavailable
		f.Taken = true
		return someItems(i, f)
	}}},
	{"busy", estest.Fault{Answer: &estest.Answer{Status: 429, Type: "es_rejected_execution_exception", Reason: "rejected", RetryAfter: 1}}},
	{"unavailable after", estest.Fault{Answer: &estest.Answer{Status: 503, HTML: true}, Handled: true}},
	{"too large", estest.Fault{Answer: &estest.Answer{Status: 413, HTML: true}}},
	{"a page with 200", estest.Fault{Answer: &estest.Answer{Status: 200, HTML: true}}},
	{"another order", estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage {
		items[0], items[len(items)-1] = items[len(items)-1], items[0]
		return items
	}}},
	{"items missing", estest.Fault{Twist: func(items []json.RawMessage) []json.RawMessage { return items[:len(items)/2] }}},
}

func someItems(i int, f estest.ItemFault) estest.ItemFault {
	if i%7 == 3 {
		return f
	}
	return estest.ItemFault{}
}

// isRefused is true for one event in a thousand, always the same ones.
func isRefused(id string) bool {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()%1000 == 0
}

func refuseSome(d estest.Document) (kind, reason string) {
	if isRefused(d.ID) {
		return "mapper_parsing_exception", "failed to parse"
	}
	return "", ""
}

// TestOpenSearchHasEachEventOnce kills the process and a real node while a log is delivered,
// and cuts connections in between. Each event is there once, also after the lane forgot its
// position and delivered all again. Only a rollover repeats them. -ordeal is the long form.
func TestOpenSearchHasEachEventOnce(t *testing.T) {
	t.Parallel()
	kills, restarts, events := 5, 1, 4000
	if *ordeal {
		kills, restarts, events = 20, 5, 100_000
	}
	node := opensearchnode.Run(t)
	target, err := url.Parse(node.URL)
	if err != nil {
		t.Fatal(err)
	}
	cuts := 0
	s := newElasticSite(t, func(s *elasticSite) http.Handler {
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Authorization") // The node has no security.
			if strings.HasSuffix(r.URL.Path, "/_bulk") && s.met(5) {
				if s.draw(2) == 0 { // The request arrives, and its answer does not.
					proxy.ServeHTTP(httptest.NewRecorder(), r)
				}
				s.mu.Lock()
				cuts++
				s.mu.Unlock()
				panic(http.ErrAbortHandler)
			}
			proxy.ServeHTTP(w, r)
		})
	})
	install := []string{"assets", "install", "opensearch", "-c", s.path("sluice.yaml"), "--sink", "elastic"}
	if first, again := s.output(t, install...), s.output(t, install...); strings.Count(first, "installed ") != 4 || strings.Count(again, "kept ") != 4 {
		t.Errorf("installation says %q, and then %q", first, again)
	}
	if said := s.output(t, "check", "-c", s.path("sluice.yaml")); !strings.Contains(said, "OpenSearch 2.") || strings.Contains(said, "sluice assets install") {
		t.Errorf("check says %s", said)
	}
	for life := range kills {
		s.api.Append(events / kills)
		s.live(t, func() {
			if life*restarts/kills != (life+1)*restarts/kills {
				node.Restart(t)
			}
		})
	}
	s.setCalm()
	s.sluice(t, "--once")
	s.judge(t, node.URL, events, 1)
	t.Logf("%d events, %d kills, the node restarted %d times, %d connections cut", events, kills, restarts, cuts)

	if err := os.RemoveAll(s.path("state")); err != nil {
		t.Fatal(err)
	}
	s.sluice(t, "--once")
	s.judge(t, node.URL, events, 1)

	ask(t, http.MethodPost, node.URL+"/"+auditStream+"/_rollover", nil, nil)
	if err := os.RemoveAll(s.path("state")); err != nil {
		t.Fatal(err)
	}
	s.sluice(t, "--once")
	s.judge(t, node.URL, events, 2)
}

// output runs a command of sluice, and returns what it printed.
func (s *elasticSite) output(t *testing.T, args ...string) string {
	t.Helper()
	cmd, stderr := s.command()
	cmd.Args = append(cmd.Args[:1], args...)
	out := new(bytes.Buffer)
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v: %s%s", args, err, out, stderr)
	}
	return out.String()
}

// judge requires that the node has each event so many times, with one id.
func (s *elasticSite) judge(t *testing.T, node string, events, each int) {
	t.Helper()
	ask(t, http.MethodPost, node+"/"+auditStream+"/_refresh", nil, nil)
	times := map[string]int{}
	question := map[string]any{"size": 10_000, "_source": false, "sort": []string{"event.id", "_index"}, "query": map[string]any{"match_all": map[string]any{}}}
	for {
		var answer struct {
			Hits struct {
				Hits []struct {
					ID   string `json:"_id"`
					Sort []any
				}
			}
		}
		ask(t, http.MethodPost, node+"/"+auditStream+"/_search", question, &answer)
		if len(answer.Hits.Hits) == 0 {
			break
		}
		for _, hit := range answer.Hits.Hits {
			times[hit.ID]++
			question["search_after"] = hit.Sort
		}
	}
	ever, wrong := 0, 0
	for e := range s.api.Ever() {
		if ever++; times["acme|"+e.ID] != each {
			wrong++
		}
	}
	if ever != events || wrong > 0 || len(times) != events {
		t.Errorf("%d events, %d documents by id, %d events are not there %d times", ever, len(times), wrong, each)
	}
}

// ask makes a request that must succeed, and decodes the answer.
func ask(t *testing.T, method, address string, body, answer any) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	said, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s, %v", method, address, got.Status, said, err)
	}
	if answer != nil {
		if err := json.Unmarshal(said, answer); err != nil {
			t.Fatal(err)
		}
	}
}
