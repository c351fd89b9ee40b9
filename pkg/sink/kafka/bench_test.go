package kafka_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// auditRecords are like real records, so that they compress as well.
func auditRecords(n int) (records []sink.Record, bytes int64) {
	records = batch(0, n, 97, 0)
	for i := range records {
		records[i].Body = fmt.Appendf(nil, `{"@timestamp":"2026-03-04T05:06:%02d.%03dZ","ecs":{"version":"9.4.0"},"event":{"id":"%026x",`+
			`"kind":"event","category":["configuration"],"type":["creation"],"action":"branch.created","module":"planetscale",`+
			`"dataset":"planetscale.audit","original":"{\"id\":\"%026x\",\"type\":\"AuditLogEvent\",\"actor_id\":\"%x\",`+
			`\"auditable_type\":\"DatabaseBranch\",\"audit_action\":\"branch.created\",\"remote_ip\":\"203.0.113.%d\",\"metadata\":{\"n\":%d}}"},`+
			`"user":{"id":"%x","name":"Ada %d"},"source":{"ip":"203.0.113.%d"},"organization":{"name":"acme"}}`,
			i%60, i%1000, i*7919, i*7919, i%300, i%256, i, i%300, i%300, i%256)
		bytes += int64(len(records[i].Body))
	}
	return records, bytes
}

func BenchmarkPublish(b *testing.B) {
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		for _, n := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", codec, n), func(b *testing.B) {
				s := settings(start(b, kfake.SeedTopics(6, topic), kfake.BlackholeProduce()))
				s.Compression = codec
				snk := open(b, s)
				records, bytes := auditRecords(n)
				b.SetBytes(bytes)
				b.ReportAllocs()
				for b.Loop() {
					if err := snk.Publish(b.Context(), records); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}
