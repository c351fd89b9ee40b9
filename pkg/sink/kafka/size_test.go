package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// rejected returns the indices that an error names as refused for good. Any other
// error fails the test.
func rejected(t *testing.T, err error) []int {
	t.Helper()
	var partial sink.BatchError
	if !errors.As(err, &partial) {
		t.Fatalf("got %v, want a BatchError", err)
	}
	var got []int
	for _, e := range partial {
		if !sink.IsPermanent(e.Err) || !errors.Is(e.Err, kerr.MessageTooLarge) {
			t.Errorf("record %d: got %v, want MESSAGE_TOO_LARGE for good", e.Index, e.Err)
		}
		got = append(got, e.Index)
	}
	return got
}

func without(records []sink.Record, indices []int) []string {
	var rest []string
	for i := range records {
		if !slices.Contains(indices, i) {
			rest = append(rest, records[i].ID)
		}
	}
	return rest
}

func TestRecordLargerThanConfigured(t *testing.T) {
	c := start(t, kfake.SeedTopics(1, topic))
	s := settings(c)
	s.MaxRecordBytes = 10_000
	snk := open(t, s)
	records := batch(0, 10, 3, 500)
	want := []int{0, 4, 9}
	for _, i := range want {
		records[i].Body = make([]byte, 20_000) // it would compress to a few bytes
	}
	got := rejected(t, snk.Publish(within(t, 10*time.Second), records))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(without(records, want), ids(read(t, c))); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// Kafka refuses whole batches, and kgo also fails everything after them in the
// partition: far more records than those that are too large.
func TestTopicThatTakesLessThanConfigured(t *testing.T) {
	tests := []struct {
		name  string
		large []int
	}{
		{"no record", nil},
		{"the first record", []int{0}},
		{"the last record", []int{199}},
		{"neighbours and others", []int{17, 18, 19, 100, 151}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, kfake.SeedTopics(1, topic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "10000"}))
			snk := open(t, settings(c))
			records := batch(0, 200, 5, 1000)
			for _, i := range tt.large {
				records[i].Body = batch(i, 1, 1, 20_000)[0].Body
			}
			err := snk.Publish(within(t, 10*time.Second), records)
			if tt.large == nil {
				if err != nil {
					t.Errorf("got %v, want nil", err)
				}
			} else if diff := cmp.Diff(tt.large, rejected(t, err)); diff != "" {
				t.Errorf("rejected (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(without(records, tt.large), ids(read(t, c))); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOneRecordAlone(t *testing.T) {
	c := start(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "10000"}))
	snk := open(t, settings(c))
	got := rejected(t, snk.Publish(within(t, 10*time.Second), batch(0, 1, 1, 20_000)))
	if diff := cmp.Diff([]int{0}, got); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
}

func TestLimits(t *testing.T) {
	for _, size := range []int{1 << 10, 1<<20 - 4<<10, 8 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := *kafka.Type.Settings().(*kafka.Settings)
			s.Cluster.Brokers, s.Topic = []string{"localhost"}, topic
			s.MaxRecordBytes = 0
			if err := s.MaxRecordBytes.UnmarshalText(fmt.Append(nil, size)); err != nil {
				t.Fatal(err)
			}
			limits := open(t, s).(sink.Limiter).Limits()
			if limits.RecordBytes != size || limits.Bytes < size || limits.Records != 10_000 {
				t.Errorf("got %+v, want records of %d bytes, and batches that hold one", limits, size)
			}
		})
	}
}
