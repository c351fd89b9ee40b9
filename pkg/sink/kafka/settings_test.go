package kafka_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*kafka.Settings)
		want   []string
	}{
		{"the defaults with a topic", func(*kafka.Settings) {}, nil},
		{"no topic", func(s *kafka.Settings) { s.Topic = "" }, []string{"topic: missing; name the topic to publish to"}},
		{"a topic Kafka refuses", func(s *kafka.Settings) { s.Topic = "audit log" }, []string{
			`topic: "audit log" is not a name for Kafka; write 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'`,
		}},
		{"a topic that is a directory", func(s *kafka.Settings) { s.Topic = ".." }, []string{
			`topic: ".." is not a name for Kafka; write 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'`,
		}},
		{"everything else at once", func(s *kafka.Settings) {
			s.Delivery, s.Compression, s.MaxRecordBytes = "twice", "brotli", 1000
		}, []string{
			`delivery: "twice" is unknown; write exactly_once or at_least_once`,
			`compression: "brotli" is unknown; write none, gzip, snappy, lz4 or zstd`,
			"max_record_bytes: 1000 is out of range; write a size from 1KiB to 64MiB",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := *kafka.Type.Settings().(*kafka.Settings)
			s.Topic = topic
			tt.change(&s)
			var got []string
			for _, err := range s.Validate() {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
