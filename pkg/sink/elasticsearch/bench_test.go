package elasticsearch_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
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

// roundTrip is how far away the server of the benchmarks is.
const roundTrip = 5 * time.Millisecond

// distant creates every document after a round trip. It does not parse documents, so that
// the benchmark measures clients and not the server.
func distant(t testing.TB) *rig {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var from io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(from)
			if err != nil && r.Method == http.MethodPost {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			from = unzipped
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"version":{"number":"9.1.0"}}`)
			return
		}
		answer := items(from)
		<-time.After(roundTrip)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return &rig{settings: defaults(server.URL), transport: (*setting.TLS)(nil).Transport(posting.NewTransport(4))}
}

// items answers that each document was created.
func items(body io.Reader) []byte {
	answer := []byte(`{"took":1,"errors":false,"items":[`)
	lines := bufio.NewReaderSize(body, 64<<10)
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return append(answer, "]}"...)
		}
		if n%2 > 0 {
			continue
		}
		if n > 0 {
			answer = append(answer, ',')
		}
		// {"create":{"_id":"…"}} becomes {"create":{"_id":"…",…}}.
		answer = append(answer, bytes.TrimRight(line, "}\n")...)
		answer = append(answer, `,"_index":".ds-logs-000001","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}`...)
	}
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

// naive is a typical simple client: a map for each event, a page in each bulk request, and
// one request after the other.
func naive(url string, page []sink.Record) error {
	var body bytes.Buffer
	for _, r := range page {
		var document map[string]any
		if err := json.Unmarshal(r.Body, &document); err != nil {
			return err
		}
		for _, line := range []any{map[string]any{"create": map[string]any{"_id": r.ID}}, document} {
			if err := json.NewEncoder(&body).Encode(line); err != nil {
				return err
			}
		}
	}
	answer, err := http.Post(url+"/"+stream+"/_bulk", "application/x-ndjson", &body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var said struct{ Errors bool }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || said.Errors || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answer %s, %w", answer.Status, err)
	}
	return nil
}

func naively(t testing.TB) func([]sink.Record) error {
	url := distant(t).settings.URL[0]
	return func(records []sink.Record) error {
		for begin := 0; begin < len(records); begin += 100 {
			if err := naive(url, records[begin:min(begin+100, len(records))]); err != nil {
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
		{"a request a page", naively, 5000},
		{"sluice", bySluice, 20_000},
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
		})
	}
}
