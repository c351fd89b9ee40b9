//go:build integration

package httpsink_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/internal/posting"
)

// roundTrip is how far away the server is.
const roundTrip = 5 * time.Millisecond

// distant reads requests and accepts them after a round trip. It does not parse them, so
// that the test measures clients and not the server.
func distant(t testing.TB) *rig {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // The client disconnected.
		}
		<-time.After(roundTrip)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	return &rig{settings: defaults(server.URL), transport: (*setting.TLS)(nil).Transport(posting.NewTransport(8))}
}

// auditRecords have the size and the repetition of ECS records.
func auditRecords(n int) []sink.Record {
	records := batch(n)
	for i := range records {
		records[i].Body = fmt.Appendf(nil, `{"@timestamp":"2026-03-04T05:06:%02d.%03dZ","ecs":{"version":"9.4.0"},"event":{"id":"%026x",`+
			`"kind":"event","category":["configuration"],"type":["creation"],"action":"branch.created","module":"vendor","provider":"vendor",`+
			`"dataset":"vendor.audit","created":"2026-03-04T05:06:07.000Z","hash":"%064x"},"user":{"id":"%x","name":"Ada %d","full_name":"Ada %d"},`+
			`"source":{"ip":"203.0.113.%d","address":"203.0.113.%d"},"organization":{"name":"acme"},"related":{"ip":["203.0.113.%d"],"user":["%x","Ada %d"]},`+
			`"observer":{"vendor":"Sluice","product":"Sluice","type":"forwarder"}}`,
			i%60, i%1000, i*7919, i*104729, i%300, i%300, i%300, i%256, i%256, i%256, i%300, i%300)
		records[i].Object = true
	}
	return records
}

// naive is a typical simple client: it decodes and encodes each event, and makes one request
// for a page after the other.
func naive(url string, page []sink.Record) error {
	var events []map[string]any
	for _, r := range page {
		var event map[string]any
		if err := json.Unmarshal(r.Body, &event); err != nil {
			return err
		}
		events = append(events, event)
	}
	body, err := json.Marshal(events)
	if err != nil {
		return err
	}
	answer, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("answer %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// With a server five milliseconds away, the sink is five times as fast as a naive client
// with a page in each request. They take turns and the best run of each counts, since other
// load on the machine slows down one or the other.
func TestFiveTimesTheNaiveClient(t *testing.T) {
	rate := func(publish func([]sink.Record) error, records []sink.Record) float64 {
		began := time.Now()
		if err := publish(records); err != nil {
			t.Fatal(err)
		}
		return float64(len(records)) / time.Since(began).Seconds()
	}
	r := distant(t)
	snk := r.open(t)
	url, err := r.settings.URL.Value()
	if err != nil {
		t.Fatal(err)
	}
	records := auditRecords(30_000)
	var page, sluice float64
	for range 5 {
		page = max(page, rate(func(records []sink.Record) error {
			for begin := 0; begin < len(records); begin += 100 {
				if err := naive(url, records[begin:begin+100]); err != nil {
					return err
				}
			}
			return nil
		}, records[:5000]))
		sluice = max(sluice, rate(func(records []sink.Record) error { return snk.Publish(t.Context(), records) }, records))
	}
	t.Logf("a request a page %.0f, sluice %.0f events a second: %.1f times", page, sluice, sluice/page)
	if sluice < 5*page {
		t.Errorf("%.0f events a second, want five times %.0f", sluice, page)
	}
}
