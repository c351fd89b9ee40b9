package kafka_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

const topic = "planetscale.audit"

// start runs a cluster in this process. The topic has three partitions unless opts
// seed others.
func start(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, topic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// settings returns the defaults for a cluster.
func settings(c *kfake.Cluster) kafka.Settings {
	s := *kafka.Type.Settings().(*kafka.Settings)
	s.Cluster.Brokers = c.ListenAddrs()
	s.Topic, s.Delivery = topic, kafka.AtLeastOnce
	return s
}

// open opens the sink as a lane would.
func open(t testing.TB, s kafka.Settings) sink.Sink {
	t.Helper()
	env := sink.Env{Lane: "acme/siem", Source: "acme", Log: zerolog.New(io.Discard)}
	snk, err := kafka.Type.Open(t.Context(), env, &s)
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

// within returns a context for operations that should be quick.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// batch makes n records with the given number of keys and incompressible bodies.
func batch(first, n, keys, size int) []sink.Record {
	noise := rand.New(rand.NewPCG(uint64(first), uint64(n)))
	records := make([]sink.Record, n)
	for i := range records {
		body := fmt.Appendf(nil, `{"n":%d,"pad":"`, first+i)
		for len(body) < size-2 {
			body = append(body, byte('0'+noise.IntN(75)))
		}
		records[i] = sink.Record{
			ID:        fmt.Sprint(first + i),
			Action:    "branch.created",
			Key:       fmt.Sprintf("acme/%d", (first+i)%keys),
			Format:    "ecs",
			MediaType: "application/json",
			Time:      time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC),
			Body:      append(body, `"}`...),
		}
	}
	return records
}

// read returns the topic's records, each partition in order, up to the partitions'
// high watermarks.
func read(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(10 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var want int64
	for _, p := range c.PartitionInfos(topic) {
		want += p.HighWatermark
	}
	var records []*kgo.Record
	for int64(len(records)) < want {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return records
}

func ids(records []*kgo.Record) []string {
	var got []string
	for _, r := range records {
		got = append(got, header(r, "sluice-event-id"))
	}
	return got
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestPublish(t *testing.T) {
	c := start(t)
	snk := open(t, settings(c))
	before := time.Now().Truncate(time.Millisecond)
	records := batch(0, 1000, 7, 200)
	records[5].Replayed, records[5].OwnToken = true, true
	records[6].Epoch, records[6].Sequence, records[6].Organization = 3, 18446744073709551615, "acme"
	records[7].Sequence = 7 // not a number without an epoch
	if err := snk.Publish(within(t, 10*time.Second), records); err != nil {
		t.Fatal(err)
	}
	got := read(t, c)

	t.Run("delivers every record with its body, key and headers", func(t *testing.T) {
		if len(got) != len(records) {
			t.Fatalf("got %d records, want %d", len(got), len(records))
		}
		for _, r := range got {
			var n int
			if _, err := fmt.Sscan(header(r, "sluice-event-id"), &n); err != nil {
				t.Fatal(err)
			}
			want := []kgo.RecordHeader{
				{Key: "sluice-event-id", Value: []byte(records[n].ID)},
				{Key: "sluice-event-time", Value: []byte("2026-03-04T05:06:07.008Z")},
				{Key: "sluice-action", Value: []byte("branch.created")},
				{Key: "sluice-format", Value: []byte("ecs")},
				{Key: "sluice-schema-version", Value: []byte("1")},
				{Key: "content-type", Value: []byte("application/json")},
				{Key: "sluice-lane", Value: []byte("acme/siem")},
			}
			if n == 5 {
				want = append(want, kgo.RecordHeader{Key: "sluice-replayed", Value: []byte("true")}, kgo.RecordHeader{Key: "sluice-own-token", Value: []byte("true")})
			}
			if n == 6 {
				want = append(want, kgo.RecordHeader{Key: "sluice-epoch", Value: []byte("3")}, kgo.RecordHeader{Key: "sluice-sequence", Value: []byte("18446744073709551615")},
					kgo.RecordHeader{Key: "sluice-organization", Value: []byte("acme")})
			}
			if diff := cmp.Diff(want, r.Headers); diff != "" {
				t.Fatalf("headers (-want +got):\n%s", diff)
			}
			if got, want := string(r.Key), records[n].Key; got != want {
				t.Fatalf("key: got %q, want %q", got, want)
			}
			if diff := cmp.Diff(string(records[n].Body), string(r.Value)); diff != "" {
				t.Fatalf("body (-want +got):\n%s", diff)
			}
		}
	})

	t.Run("stamps the time of publishing, not of the event", func(t *testing.T) {
		for _, r := range got {
			if r.Timestamp.Before(before) || r.Timestamp.After(time.Now()) {
				t.Fatalf("got timestamp %v, want one between %v and now", r.Timestamp, before)
			}
		}
	})

	t.Run("keeps the order of each key", func(t *testing.T) {
		last := make(map[string]int)
		for _, r := range got {
			var n int
			if _, err := fmt.Sscan(header(r, "sluice-event-id"), &n); err != nil {
				t.Fatal(err)
			}
			if before, ok := last[string(r.Key)]; ok && before > n {
				t.Fatalf("record %d follows %d of its key", n, before)
			}
			last[string(r.Key)] = n
		}
	})
}

func TestPartitionsAreThoseOfTheJavaClient(t *testing.T) {
	// The hashes are those of Kafka's own UtilsTest.testMurmur2; its partitioner
	// takes them modulo the number of partitions, without the sign.
	hashes := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	const partitions = 17
	c := start(t, kfake.SeedTopics(partitions, topic))
	snk := open(t, settings(c))
	var records []sink.Record
	for key := range hashes {
		records = append(records, sink.Record{ID: key, Key: key, Body: []byte("{}")})
	}
	if err := snk.Publish(within(t, 10*time.Second), records); err != nil {
		t.Fatal(err)
	}
	for _, r := range read(t, c) {
		want := (hashes[string(r.Key)] & 0x7fffffff) % partitions
		if r.Partition != want {
			t.Errorf("key %q: got partition %d, want %d", r.Key, r.Partition, want)
		}
	}
}

func TestRecordsWithoutAKeyHaveNone(t *testing.T) {
	c := start(t)
	snk := open(t, settings(c))
	if err := snk.Publish(within(t, 10*time.Second), []sink.Record{{ID: "1", Body: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	got := read(t, c)
	if len(got) != 1 {
		t.Fatalf("got %d records, want 1", len(got))
	}
	if got[0].Key != nil {
		t.Errorf("got key %q, want none", got[0].Key)
	}
}
