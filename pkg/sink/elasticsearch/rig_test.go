package elasticsearch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch"
	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const (
	apiKey = "dGVzdC1pZDp0ZXN0LWtleS1vZi1zbHVpY2U="
	stream = "logs-planetscale.audit-default"
)

// defaults returns the default settings, with a value for required keys.
func defaults(url ...string) elasticsearch.Settings {
	s := *elasticsearch.Type.Settings().(*elasticsearch.Settings)
	s.URL = url
	s.APIKey = setting.NewSecret(apiKey)
	return s
}

// rig is a cluster, with the settings and transport of a sink for it.
type rig struct {
	*estest.Server
	settings  elasticsearch.Settings
	transport http.RoundTripper
	log       bytes.Buffer

	mu   sync.Mutex
	down map[string]bool // hosts that refuse connections
}

// setDown makes a host refuse connections, or not.
func (r *rig) setDown(host string, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[host] = down
}

func (r *rig) isDown(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down[host]
}

// hosts are the nodes of a bubble.
var hosts = []string{"localhost:9200", "localhost:9201", "localhost:9202"}

// bubble runs a test with a cluster over pipes in a synctest bubble. The settings name its
// first node.
func bubble(t *testing.T, c estest.Config, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.APIKey = apiKey
		r := &rig{Server: estest.NewServer(c), settings: defaults("http://" + hosts[0]), down: map[string]bool{}}
		pipes := map[string]*simulator.PipeListener{}
		var servers []*http.Server
		served := make(chan error, len(hosts))
		for n, host := range hosts {
			pipe, server := simulator.NewPipeListener(), &http.Server{Handler: r.Node(n)}
			pipes[host] = pipe
			servers = append(servers, server)
			go func() { served <- server.Serve(pipe) }()
		}
		over := &http.Transport{MaxIdleConnsPerHost: 8, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if r.isDown(address) {
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}
			return pipes[address].DialContext(ctx, network, address)
		}}
		r.transport = over
		test(t, r)
		over.CloseIdleConnections()
		for _, server := range servers {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	})
}

// open opens a sink, which is closed at the end.
func (r *rig) open(t testing.TB) sink.Sink {
	t.Helper()
	snk, err := elasticsearch.OpenOver(r.transport, sink.Env{Lane: "acme/es", Source: "acme", Dataset: "planetscale.audit", Log: zerolog.New(&r.log)}, r.settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := snk.Close(); err != nil {
			t.Error(err)
		}
	})
	return snk
}

// publish publishes once with a new sink.
func (r *rig) publish(t testing.TB, batch []sink.Record) error {
	t.Helper()
	return r.open(t).Publish(t.Context(), batch)
}

// overSockets serves on loopback, with the real clock.
func overSockets(t testing.TB, c estest.Config) *rig {
	t.Helper()
	c.APIKey = apiKey
	r := &rig{Server: estest.NewServer(c)}
	server := httptest.NewServer(r.Server)
	t.Cleanup(server.Close)
	r.settings = defaults(server.URL)
	r.transport = (*setting.TLS)(nil).Transport(posting.NewTransport(4))
	return r
}

var day = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// record makes a record with that number.
func record(n int, body string) sink.Record {
	return sink.Record{
		ID: fmt.Sprintf("id-%06d", n), Organization: "acme", Action: "branch.created", Key: "acme/1",
		Format: "ecs", MediaType: "application/json", Time: day.Add(time.Duration(n) * time.Millisecond),
		Severity: 3, Object: true, Body: []byte(body),
	}
}

// batch makes n records that the cluster takes.
func batch(n int) []sink.Record {
	all := make([]sink.Record, n)
	for i := range all {
		all[i] = record(i, fmt.Sprintf(`{"@timestamp":"2026-03-04T05:06:07.%03dZ","n":%d}`, i%1000, i))
	}
	return all
}

const badBody = `{"@timestamp":"2026-03-04T05:06:07.000Z","bad":true}`

// isBad is for Config.Refuse: the server refuses records made by spoil.
func isBad(d estest.Document) (kind, reason string) {
	if string(d.Body) == badBody {
		return "document_parsing_exception", "[1:1] failed to parse field [bad]"
	}
	return "", ""
}

func spoil(records []sink.Record, at ...int) {
	for _, i := range at {
		records[i].Body = []byte(badBody)
	}
}

// stored counts how often each document is stored, by its id.
func (r *rig) stored() map[string]int {
	times := map[string]int{}
	for _, d := range r.Documents() {
		times[d.ID]++
	}
	return times
}

// wantOnce requires that each of the records is stored once, and nothing else.
func (r *rig) wantOnce(t testing.TB, records []sink.Record) {
	t.Helper()
	times := r.stored()
	for _, rec := range records {
		if id := elasticsearch.DocumentID(rec); times[id] != 1 {
			t.Errorf("%s is stored %d times", id, times[id])
		}
	}
	if len(times) != len(records) {
		t.Errorf("%d documents, want %d", len(times), len(records))
	}
}

// bulks are the bulk requests.
func (r *rig) bulks() (list []estest.Request) {
	for _, q := range r.Requests() {
		if q.Bulk() {
			list = append(list, q)
		}
	}
	return list
}

// only returns a script for the bulk requests with these numbers, counted from one.
func only(fault estest.Fault, numbers ...int) func(estest.Request) estest.Fault {
	n := 0
	return func(q estest.Request) estest.Fault {
		if !q.Bulk() {
			return estest.Fault{}
		}
		n++
		for _, number := range numbers {
			if n == number {
				return fault
			}
		}
		return estest.Fault{}
	}
}

// outcome returns the outcome of each record of a Publish that is not delivered: "refused"
// or "again".
func outcome(n int, err error) map[int]string {
	said := map[int]string{}
	var named sink.BatchError
	switch {
	case err == nil:
	case errors.As(err, &named):
		for _, e := range named {
			said[e.Index] = "again"
			if sink.IsPermanent(e.Err) {
				said[e.Index] = "refused"
			}
		}
	default:
		for i := range n {
			said[i] = "again"
		}
	}
	return said
}

// settle publishes until every record is delivered or refused, as a lane does, and
// returns the refused ones.
func settle(ctx context.Context, snk sink.Sink, records []sink.Record) (refused []string, err error) {
	for range 50 {
		err = snk.Publish(ctx, records)
		said := outcome(len(records), err)
		var again []sink.Record
		for i, r := range records {
			switch said[i] {
			case "again":
				again = append(again, r)
			case "refused":
				refused = append(refused, r.ID)
			}
		}
		if len(again) == 0 {
			return refused, nil
		}
		records = again
	}
	return refused, fmt.Errorf("nothing came of 50 attempts: %w", err)
}
