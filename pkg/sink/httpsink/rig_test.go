package httpsink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink/collectortest"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// defaults returns the default settings, with a value for required keys.
func defaults(url string) httpsink.Settings {
	s := *httpsink.Type.Settings().(*httpsink.Settings)
	s.URL = setting.NewSecret(url)
	return s
}

// rig is a server, with the settings and transport of a sink for it.
type rig struct {
	*collectortest.Server
	settings  httpsink.Settings
	transport http.RoundTripper
	log       bytes.Buffer
}

const origin = "http://localhost:8080"

// bubble runs a test with a server over pipes in a synctest bubble.
func bubble(t *testing.T, c collectortest.Config, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Server: collectortest.NewServer(c), settings: defaults(origin + collectortest.Path)}
		pipe := simulator.NewPipeListener()
		server := &http.Server{Handler: r.Server, ErrorLog: nil}
		served := make(chan error, 1)
		go func() { served <- server.Serve(pipe) }()
		over := &http.Transport{DialContext: pipe.DialContext, MaxIdleConnsPerHost: 8}
		r.transport = over
		test(t, r)
		over.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		for _, fault := range r.Faults() {
			t.Errorf("the server found a fault: %s", fault)
		}
	})
}

// open opens a sink, which is closed at the end.
func (r *rig) open(t testing.TB) sink.Sink {
	t.Helper()
	snk, err := httpsink.OpenOver(r.transport, sink.Env{Lane: "acme/collector", Source: "acme", Dataset: "planetscale.audit", Log: zerolog.New(&r.log)}, r.settings)
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

// overSockets serves on loopback, with the real clock.
func overSockets(t testing.TB, c collectortest.Config) *rig {
	t.Helper()
	r := &rig{Server: collectortest.NewServer(c)}
	server := httptest.NewServer(r.Server)
	t.Cleanup(server.Close)
	r.settings = defaults(server.URL + collectortest.Path)
	r.transport = (*setting.TLS)(nil).Transport(posting.NewTransport(8))
	return r
}

// openAt opens a sink for any server on loopback.
func openAt(t testing.TB, s httpsink.Settings) sink.Sink {
	t.Helper()
	r := &rig{settings: s, transport: s.TLS.Transport(posting.NewTransport(8))}
	return r.open(t)
}

var day = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// record makes a record whose number is its time.
func record(n int, body string) sink.Record {
	return sink.Record{
		ID: fmt.Sprintf("id-%06d", n), Organization: "acme", Action: "branch.created", Key: "acme/1",
		Format: "ecs", MediaType: "application/json", Time: day.Add(time.Duration(n) * time.Millisecond),
		Severity: 3, Body: []byte(body),
	}
}

func batch(n int, bad ...int) []sink.Record {
	all := make([]sink.Record, n)
	for i := range all {
		all[i] = record(i, fmt.Sprintf(`{"n":%d}`, i))
	}
	for _, i := range bad {
		all[i].Body = fmt.Appendf(nil, `{"n":%d,"bad":true}`, i)
	}
	return all
}

func isBad(event string) bool { return strings.Contains(event, `"bad":true`) }

// number returns the number of a record in an event.
func number(t testing.TB, event string) int {
	t.Helper()
	var of struct{ N int }
	if err := json.Unmarshal([]byte(event), &of); err != nil {
		t.Fatalf("%q: %v", event, err)
	}
	return of.N
}

// taken counts how often the server took each record.
func (r *rig) taken(t testing.TB) map[int]int {
	t.Helper()
	times := map[int]int{}
	for _, e := range r.Events() {
		times[number(t, e)]++
	}
	return times
}

// settle publishes until every record is delivered or refused, as a lane does, and returns
// the refused ones. It waits as long as errors ask for.
func settle(ctx context.Context, snk sink.Sink, records []sink.Record) (refused []string, err error) {
	for range 100 {
		err := snk.Publish(ctx, records)
		if err == nil {
			return refused, nil
		}
		var list sink.BatchError
		if errors.As(err, &list) {
			faults, invalid := list.Faults(len(records))
			if invalid != nil {
				return nil, invalid
			}
			var again []sink.Record
			for i, fault := range faults {
				switch {
				case fault == nil:
				case sink.IsPermanent(fault):
					refused = append(refused, records[i].ID)
				default:
					again = append(again, records[i])
				}
			}
			if records = again; len(again) == 0 {
				return refused, nil
			}
		}
		time.Sleep(time.Second)
	}
	return refused, errors.New("nothing came of 100 attempts")
}
