//go:build integration

package committed_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/committed"
)

// These tests read what Apache Kafka writes.
func TestRealBroker(t *testing.T) {
	b := startBroker(t)
	for _, c := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
	} {
		t.Run("compressed with "+c.name, func(t *testing.T) { readsCompressed(t, b, c.name, c.codec) })
	}
	t.Run("of several producers at once", func(t *testing.T) { readsInterleaved(t, b) })
	t.Run("open transactions are reported", func(t *testing.T) { reportsOpen(t, b) })
	t.Run("a producer that is fenced", func(t *testing.T) { readsFenced(t, b) })
	t.Run("a transaction without records", func(t *testing.T) { readsEmpty(t, b) })
	t.Run("of several partitions", func(t *testing.T) { readsPartitions(t, b) })
	t.Run("more than one answer", func(t *testing.T) { readsMuch(t, b) })
	t.Run("a topic that is missing", func(t *testing.T) { missesTopic(t, b) })
	t.Run("a log whose beginning was deleted", func(t *testing.T) { readsShortened(t, b) })
	t.Run("a compacted topic", func(t *testing.T) { readsCompacted(t, b) })
}

// producer writes in transactions.
type producer struct {
	*kgo.Client
	topic, id string
}

func (b *broker) producer(t *testing.T, topic, id string, opts ...kgo.Opt) producer {
	t.Helper()
	return producer{b.client(t, append(opts, kgo.TransactionalID(id))...), topic, id}
}

func (p producer) begin(t *testing.T) {
	t.Helper()
	if err := p.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
}

// write writes a batch and returns when Kafka has stored it.
func (p producer) write(t *testing.T, values ...string) {
	t.Helper()
	var batch []*kgo.Record
	for _, v := range values {
		batch = append(batch, &kgo.Record{Topic: p.topic, Value: []byte(v)})
	}
	if err := p.ProduceSync(within(t), batch...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// end ends the transaction and returns when its markers are written: Kafka answers
// earlier.
func (p producer) end(t *testing.T, how kgo.TransactionEndTry) {
	t.Helper()
	if err := p.EndTransaction(within(t), how); err != nil {
		t.Fatal(err)
	}
	describe := kmsg.NewPtrDescribeTransactionsRequest()
	describe.TransactionalIDs = []string{p.id}
	eventually(t, func() error {
		described, err := describe.RequestWith(within(t), p.Client)
		if err != nil {
			return err
		}
		state := described.TransactionStates[0]
		if err := kerr.ErrorForCode(state.ErrorCode); err != nil || strings.HasPrefix(state.State, "Complete") {
			return err
		}
		return fmt.Errorf("the transaction is in state %s", state.State)
	})
}

// transact writes one batch in a transaction.
func (p producer) transact(t *testing.T, how kgo.TransactionEndTry, values ...string) {
	t.Helper()
	p.begin(t)
	p.write(t, values...)
	p.end(t, how)
}

func (b *broker) read(t *testing.T, topic string) ([]committed.Record, []committed.Transaction) {
	t.Helper()
	var all []committed.Record
	open, err := committed.Read(within(t), []string{b.address}, topic, func(r committed.Record) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, open
}

// expect compares the committed records, and requires that no transaction is open.
func (b *broker) expect(t *testing.T, topic string, want ...string) {
	t.Helper()
	all, open := b.read(t, topic)
	if diff := gocmp.Diff(want, values(all)); diff != "" {
		t.Errorf("committed in %s (-want +got):\n%s", topic, diff)
	}
	if len(open) > 0 {
		t.Errorf("got %+v open in %s, want nothing", open, topic)
	}
}

func readsCompressed(t *testing.T, b *broker, name string, codec kgo.CompressionCodec) {
	b.create(t, name, 1)
	p := b.producer(t, name, name, kgo.ProducerBatchCompression(codec))
	p.transact(t, kgo.TryCommit, "kept", "kept as well", "and this")
	p.transact(t, kgo.TryAbort, "aborted", "aborted as well", "and this")
	p.begin(t)
	r := &kgo.Record{Topic: name, Key: []byte("key"), Value: []byte{}, Headers: []kgo.RecordHeader{
		{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "b", Value: []byte{}},
	}}
	if err := p.ProduceSync(within(t), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p.end(t, kgo.TryCommit)
	b.expect(t, name, "kept", "kept as well", "and this", "")
	got, _ := b.read(t, name)
	want := committed.Record{
		Offset: r.Offset, Key: []byte("key"), Value: []byte{}, Producer: r.ProducerID,
		Headers: []committed.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte{}}},
	}
	if diff := gocmp.Diff(want, got[3]); diff != "" {
		t.Errorf("a record with all that it can have (-want +got):\n%s", diff)
	}
	if got[0].Key != nil || got[0].Headers != nil {
		t.Errorf("a record with a value alone: got %+v", got[0])
	}
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name+".log"), b.segment(t, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readsInterleaved(t *testing.T, b *broker) {
	b.create(t, "interleaved", 1)
	first, second := b.producer(t, "interleaved", "first"), b.producer(t, "interleaved", "second")
	plain := producer{b.client(t, kgo.DisableIdempotentWrite()), "interleaved", ""}
	idempotent := producer{b.client(t), "interleaved", ""}
	first.begin(t)
	first.write(t, "1a")
	second.begin(t)
	second.write(t, "2a")
	plain.write(t, "plain")
	first.write(t, "1b")
	second.write(t, "2b")
	idempotent.write(t, "idempotent")
	first.end(t, kgo.TryCommit)
	second.write(t, "2c")
	second.end(t, kgo.TryAbort)
	second.begin(t)
	second.write(t, "2d")
	first.begin(t)
	first.write(t, "1c")
	first.end(t, kgo.TryAbort)
	second.end(t, kgo.TryCommit)
	b.expect(t, "interleaved", "1a", "plain", "1b", "idempotent", "2d")
	all, _ := b.read(t, "interleaved")
	if all[1].Producer != -1 || all[0].Producer != all[2].Producer || all[0].Producer == all[4].Producer {
		t.Errorf("the records name the wrong producers: %+v", all)
	}
}

func reportsOpen(t *testing.T, b *broker) {
	b.create(t, "open", 1)
	first, second := b.producer(t, "open", "opens"), b.producer(t, "open", "commits")
	second.transact(t, kgo.TryCommit, "before")
	first.begin(t)
	first.write(t, "open", "and open")
	second.transact(t, kgo.TryCommit, "behind")
	all, open := b.read(t, "open")
	if diff := gocmp.Diff([]string{"before", "behind"}, values(all)); diff != "" {
		t.Errorf("committed while a transaction is open (-want +got):\n%s", diff)
	}
	id, epoch, err := first.ProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []committed.Transaction{{Offset: 2, Producer: id, Epoch: epoch, Records: 2}}
	if diff := gocmp.Diff(want, open); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	first.end(t, kgo.TryCommit)
	b.expect(t, "open", "before", "open", "and open", "behind")
}

// The successor's initialisation ends the transaction of the first producer.
func readsFenced(t *testing.T, b *broker) {
	b.create(t, "fenced", 1)
	first := b.producer(t, "fenced", "fenced")
	first.transact(t, kgo.TryCommit, "kept")
	first.begin(t)
	first.write(t, "lost")
	second := b.producer(t, "fenced", "fenced")
	second.transact(t, kgo.TryCommit, "successor")
	b.expect(t, "fenced", "kept", "successor")
}

// Kafka writes the end of a transaction into each partition that belongs to it, even if
// it has no records there.
func readsEmpty(t *testing.T, b *broker) {
	b.create(t, "empty", 1)
	writer := producer{b.client(t), "empty", ""}
	writer.write(t, "before")
	c := b.client(t)
	init := kmsg.NewPtrInitProducerIDRequest()
	init.TransactionalID, init.TransactionTimeoutMillis = kmsg.StringPtr("nothing"), 10_000
	var id *kmsg.InitProducerIDResponse
	eventually(t, func() (err error) {
		if id, err = init.RequestWith(within(t), c); err == nil {
			err = kerr.ErrorForCode(id.ErrorCode)
		}
		return err
	})
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = "nothing", id.ProducerID, id.ProducerEpoch
	topic := kmsg.NewAddPartitionsToTxnRequestTopic()
	topic.Topic, topic.Partitions = "empty", []int32{0}
	add.Topics = append(add.Topics, topic)
	added, err := add.RequestWith(within(t), c)
	if err == nil {
		err = kerr.ErrorForCode(added.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = "nothing", id.ProducerID, id.ProducerEpoch, true
	ended, err := end.RequestWith(within(t), c)
	if err == nil {
		err = kerr.ErrorForCode(ended.ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if n := len(b.segment(t, "empty")); n < 140 {
			return fmt.Errorf("the log has %d bytes, too few for the end of a transaction", n)
		}
		return nil
	})
	writer.write(t, "behind")
	b.expect(t, "empty", "before", "behind")
	all, _ := b.read(t, "empty")
	if all[1].Offset != 2 {
		t.Errorf("got offset %d behind the end of a transaction, want 2", all[1].Offset)
	}
}

func readsPartitions(t *testing.T, b *broker) {
	const partitions = 3
	b.create(t, "partitions", partitions)
	p := b.producer(t, "partitions", "partitions")
	var want []string
	for _, how := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		p.begin(t)
		var batch []*kgo.Record
		for i := range 30 {
			batch = append(batch, &kgo.Record{Topic: "partitions", Partition: int32(i % partitions), Value: fmt.Append(nil, i)})
			if how == kgo.TryCommit {
				want = append(want, fmt.Sprint(i%partitions, ":", i))
			}
		}
		if err := p.ProduceSync(within(t), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		p.end(t, how)
	}
	slices.SortStableFunc(want, func(a, b string) int { return cmp.Compare(a[0], b[0]) })
	all, _ := b.read(t, "partitions")
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprint(r.Partition, ":", string(r.Value)))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("committed (-want +got):\n%s", diff)
	}
}

// An answer ends inside a batch.
func readsMuch(t *testing.T, b *broker) {
	b.create(t, "much", 1)
	p := b.producer(t, "much", "much", kgo.ProducerBatchCompression(kgo.NoCompression()))
	var want []string
	for i := range 200 {
		large := fmt.Sprintf("%0*d", 100_000, i)
		how := kgo.TryCommit
		if i%10 == 9 {
			how = kgo.TryAbort
		} else {
			want = append(want, large, "small")
		}
		p.transact(t, how, large, "small")
	}
	all, _ := b.read(t, "much")
	if got := values(all); !slices.Equal(got, want) {
		t.Errorf("got %d records, want these %d", len(got), len(want))
	}
}

func missesTopic(t *testing.T, b *broker) {
	_, err := committed.Read(within(t), []string{b.address}, "missing", nil)
	if err == nil {
		t.Error("reading a topic that is missing: got no error")
	}
}

// After DeleteRecords a log may start inside a batch.
func readsShortened(t *testing.T, b *broker) {
	b.create(t, "shortened", 1)
	p := b.producer(t, "shortened", "shortened")
	p.transact(t, kgo.TryCommit, "0", "1", "2", "3")
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = "shortened"
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Offset = 2
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(within(t), p.Client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.expect(t, "shortened", "2", "3")
}

func readsCompacted(t *testing.T, b *broker) {
	b.create(t, "compacted", 1,
		kafkago.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"},
		kafkago.ConfigEntry{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.001"},
		kafkago.ConfigEntry{ConfigName: "segment.ms", ConfigValue: "1"},
	)
	p := b.producer(t, "compacted", "compacted")
	const n = 40
	for i := range n {
		p.begin(t)
		var batch []*kgo.Record
		for _, key := range []string{"a", "b", "deleted", fmt.Sprint("once", i)} {
			batch = append(batch, &kgo.Record{Topic: "compacted", Key: []byte(key), Value: []byte(key + fmt.Sprint("-", i))})
		}
		how := kgo.TryCommit
		if i%4 == 3 {
			how = kgo.TryAbort
		} else if i == n-2 {
			batch[2].Value = nil
		}
		if err := p.ProduceSync(within(t), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		p.end(t, how)
	}
	want := map[string]string{"a": fmt.Sprint("a-", n-2), "b": fmt.Sprint("b-", n-2)}
	for i := range n {
		if i%4 != 3 {
			want[fmt.Sprint("once", i)] = fmt.Sprintf("once%d-%d", i, i)
		}
	}
	var all []committed.Record
	eventually(t, func() error {
		if all, _ = b.read(t, "compacted"); len(all) > n*3/4*2 {
			return fmt.Errorf("%d records are left: compaction has not ended", len(all))
		}
		return nil
	})
	last, open, err := committed.Last(within(t), []string{b.address}, "compacted")
	if err != nil || len(open) > 0 {
		t.Fatalf("got %+v open and %v", open, err)
	}
	got := make(map[string]string)
	for key, r := range last {
		got[key] = string(r.Value)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("last of each key (-want +got):\n%s", diff)
	}
	t.Logf("%d of %d records are left, the last at offset %d", len(all), 4*n*3/4, all[len(all)-1].Offset)
}
