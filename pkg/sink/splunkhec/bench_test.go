package splunkhec_test

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
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec"
)

// roundTrip is how far away the server of the benchmarks is.
const roundTrip = 5 * time.Millisecond

// distant reads requests and accepts them after a round trip. It does not parse them,
// so that the benchmark measures clients and not the server.
func distant(t testing.TB) *rig {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // The client disconnected.
		}
		<-time.After(roundTrip)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"Success","code":0}`)
	}))
	t.Cleanup(server.Close)
	return &rig{settings: defaults(server.URL), transport: (*setting.TLS)(nil).Transport(splunkhec.NewTransport())}
}

// auditRecords have the size and the repetition of ECS records.
func auditRecords(n int) []sink.Record {
	records := batch(n)
	for i := range records {
		records[i].Body = fmt.Appendf(nil, `{"@timestamp":"2026-03-04T05:06:%02d.%03dZ","ecs":{"version":"9.4.0"},"event":{"id":"%026x",`+
			`"kind":"event","category":["configuration"],"type":["creation"],"action":"branch.created","module":"planetscale","provider":"planetscale",`+
			`"dataset":"planetscale.audit","created":"2026-03-04T05:06:07.000Z","hash":"%064x"},"user":{"id":"%x","name":"Ada %d","full_name":"Ada %d"},`+
			`"source":{"ip":"203.0.113.%d","address":"203.0.113.%d"},"organization":{"name":"acme"},"related":{"ip":["203.0.113.%d"],"user":["%x","Ada %d"]},`+
			`"planetscale":{"audit":{"id":"%026x","action":"created","actor":{"type":"User"},"auditable":{"type":"DatabaseBranch","id":"%x","name":"branch-%d"},`+
			`"metadata":"{\"from\":\"main\",\"n\":%d}"}},"observer":{"vendor":"Sluice","product":"Sluice","type":"forwarder"}}`,
			i%60, i%1000, i*7919, i*104729, i%300, i%300, i%300, i%256, i%256, i%256, i%300, i%300, i*7919, i%500, i%500, i)
	}
	return records
}

// naive is a typical simple client: a map for each event, and one request after the
// other.
func naive(url string, page []sink.Record) error {
	var body bytes.Buffer
	for _, r := range page {
		err := json.NewEncoder(&body).Encode(map[string]any{
			"time": float64(r.Time.UnixMilli()) / 1000, "host": "forwarder", "source": "sluice", "sourcetype": "planetscale:audit",
			"event": json.RawMessage(r.Body), "fields": map[string]string{"id": r.ID, "organization": r.Organization, "action": r.Action},
		})
		if err != nil {
			return err
		}
	}
	q, err := http.NewRequest(http.MethodPost, url+"/services/collector/event", &body)
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Splunk "+token)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answer %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// naively publishes records with that many in a request.
func naively(t testing.TB, perRequest int) func([]sink.Record) error {
	url := distant(t).settings.URL
	return func(records []sink.Record) error {
		for begin := 0; begin < len(records); begin += perRequest {
			if err := naive(url, records[begin:min(begin+perRequest, len(records))]); err != nil {
				return err
			}
		}
		return nil
	}
}

func bySluice(t testing.TB) func([]sink.Record) error {
	snk := distant(t).open(t)
	return func(records []sink.Record) error { return snk.Publish(t.Context(), records) }
}

// BenchmarkPublish uses a server five milliseconds away.
func BenchmarkPublish(b *testing.B) {
	for _, client := range []struct {
		name    string
		publish func(testing.TB) func([]sink.Record) error
		records int
	}{
		{"a request an event", func(t testing.TB) func([]sink.Record) error { return naively(t, 1) }, 100},
		{"a request a page", func(t testing.TB) func([]sink.Record) error { return naively(t, 100) }, 5000},
		{"sluice", bySluice, 30_000},
	} {
		b.Run(client.name, func(b *testing.B) {
			publish, records := client.publish(b), auditRecords(client.records)
			b.ReportAllocs()
			for b.Loop() {
				if err := publish(records); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(client.records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(len(records[0].Body)), "bytes/record")
		})
	}
}
