package splunkhec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

const token = "11111111-2222-3333-4444-555555555555"

// defaults returns the default settings, with a value for required keys.
func defaults(url string) splunkhec.Settings {
	s := *splunkhec.Type.Settings().(*splunkhec.Settings)
	s.URL = url
	s.Host = "forwarder"
	s.Token = setting.NewSecret(token)
	return s
}

// rig is a server, with the settings and transport of a sink for it.
type rig struct {
	*hectest.Server
	settings  splunkhec.Settings
	transport http.RoundTripper
	log       bytes.Buffer
}

// bubble runs a test with a server over pipes in a synctest bubble.
func bubble(t *testing.T, c hectest.Config, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Token = token
		r := &rig{Server: hectest.NewServer(c), settings: defaults("http://localhost:8088")}
		pipe := simulator.NewPipeListener()
		server := &http.Server{Handler: r.Server}
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
	})
}

// open opens a sink, which is closed at the end.
func (r *rig) open(t testing.TB) sink.Sink {
	t.Helper()
	snk, err := splunkhec.OpenOver(r.transport, sink.Env{Lane: "acme/splunk", Source: "acme", Dataset: "planetscale.audit", Log: zerolog.New(&r.log)}, r.settings)
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
func overSockets(t testing.TB, c hectest.Config) *rig {
	t.Helper()
	c.Token = token
	r := &rig{Server: hectest.NewServer(c)}
	server := httptest.NewServer(r.Server)
	t.Cleanup(server.Close)
	r.settings = defaults(server.URL)
	r.transport = (*setting.TLS)(nil).Transport(splunkhec.NewTransport())
	return r
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

// batch makes n records that Splunk takes.
func batch(n int) []sink.Record {
	all := make([]sink.Record, n)
	for i := range all {
		all[i] = record(i, fmt.Sprintf(`{"n":%d}`, i))
	}
	return all
}

// isBad is for Config.Refuse: the server refuses records made by spoil.
func isBad(e hectest.Event) (code int) {
	if e.Text() == `{"bad":true}` {
		return 6
	}
	return 0
}

func spoil(records []sink.Record, at ...int) {
	for _, i := range at {
		records[i].Body = []byte(`{"bad":true}`)
	}
}

// indexed counts how often each event is indexed, by its id.
func (r *rig) indexed() map[string]int {
	times := map[string]int{}
	for _, e := range r.Events() {
		times[e.Fields["sluice_event_id"].(string)]++
	}
	return times
}

// posts are the requests for events.
func (r *rig) posts() (list []hectest.Request) {
	for _, q := range r.Requests() {
		if q.Path == hectest.PathEvent {
			list = append(list, q)
		}
	}
	return list
}

// only returns a script for the event requests with these numbers, counted from one.
func only(fault hectest.Fault, numbers ...int) func(hectest.Request) hectest.Fault {
	n := 0
	return func(q hectest.Request) hectest.Fault {
		if q.Path != hectest.PathEvent {
			return hectest.Fault{}
		}
		n++
		for _, number := range numbers {
			if n == number {
				return fault
			}
		}
		return hectest.Fault{}
	}
}

// outcome returns the outcome of each record of a Publish: "delivered", "refused",
// "again".
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
		err := snk.Publish(ctx, records)
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
	return refused, errors.New("nothing came of 50 attempts")
}
