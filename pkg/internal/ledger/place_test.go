package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// With another hash, every lane would begin anew after an upgrade, since it would look
// for its position in another partition.
func TestPartitionOfASourceNeverChanges(t *testing.T) {
	for source, want := range map[string]int32{
		"acme": 15, "planetscale": 6, "s00": 11, "a": 20, "": 11, "Zürich": 9, "acme-production": 15,
	} {
		if got := ledger.Partition(source); got != want {
			t.Errorf("source %q: got partition %d, want %d", source, got, want)
		}
	}
}

// The same is true for the key of a position and the id that fences.
func TestTransactionalIDNeverChanges(t *testing.T) {
	if got, want := ledger.TransactionalID("sluice", "acme/siem"), "sluice.acme.siem"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A position is in the partition that Partition returns, under the key that
// TransactionalID returns.
func TestPositionIsInItsPartition(t *testing.T) {
	brokers := start(t)
	l := open(t, settings(brokers))
	take(t, l, "")
	for range 3 {
		commit(t, l, `1`, "a")
	}
	for _, r := range committed(t, brokers, ledger.DefaultPositions, 3) {
		if r.Partition != 15 || string(r.Key) != "sluice.acme.siem" {
			t.Errorf("got a position in partition %d under key %s, want it in 15 under sluice.acme.siem", r.Partition, r.Key)
		}
	}
}

// murmur2 maps keys to the hashes of Kafka's own tests (UtilsTest.testMurmur2).
var murmur2 = map[string]int32{
	"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
	"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
	"abc": 479470107,
}

// All records of a key are in the partition that Kafka's Java client would choose.
func TestKeyChoosesThePartition(t *testing.T) {
	brokers := start(t)
	l := open(t, settings(brokers))
	take(t, l, "")
	var keys []string
	for key := range murmur2 {
		keys = append(keys, key)
	}
	for range 3 {
		commit(t, l, `1`, append(keys, keys...)...)
	}
	for _, r := range committed(t, brokers, audit, 6*len(keys)) {
		if want := (murmur2[string(r.Key)] & 0x7fffffff) % 3; r.Partition != want {
			t.Errorf("key %s: got partition %d, want %d", r.Key, r.Partition, want)
		}
	}
}

// If any partition does not take its records, nothing of the transaction is committed.
func TestAnyFailureAbortsTheTransaction(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault kfake.Fault
	}{
		{"of the first records", kfake.Fault{Topic: audit, Partitions: []int32{0}}},
		{"of the second", kfake.Fault{Topic: audit, Partitions: []int32{1}}},
		{"of the third", kfake.Fault{Topic: audit, Partitions: []int32{2}}},
		{"of the dead letters", kfake.Fault{Topic: audit + ".dead-letters"}},
		{"of the position", kfake.Fault{Topic: ledger.DefaultPositions}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cluster(t)
			l := open(t, settings(c.ListenAddrs()))
			take(t, l, "")
			commit(t, l, `1`, "before")
			tt.fault.Keys, tt.fault.Err = []kmsg.Key{kmsg.Produce}, kerr.InvalidRequiredAcks
			c.Fault(tt.fault)
			var texts []string
			for p := range 3 {
				texts = append(texts, keyIn(p))
			}
			letters := []sink.Reject{{Record: sink.Record{ID: "x"}, Raw: []byte("x"), Reason: "bad"}}
			if err := l.Commit(within(t), records(texts...), letters, []byte(`2`)); !errors.Is(err, kerr.InvalidRequiredAcks) {
				t.Fatalf("got %v, want %v", err, kerr.InvalidRequiredAcks)
			}
			take(t, open(t, settings(c.ListenAddrs())), `1`)
			commit(t, l, `2`, texts...)
			var got []string
			for _, r := range committed(t, c.ListenAddrs(), audit, 4) {
				got = append(got, string(r.Value))
			}
			if diff := cmp.Diff(append([]string{"before"}, texts...), got, cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Errorf("committed (-want +got):\n%s", diff)
			}
		})
	}
}

// keyIn returns a key whose records go to the given one of three partitions.
func keyIn(partition int) string {
	for i := 0; ; i++ {
		key := fmt.Sprint(i)
		if kgo.StickyKeyPartitioner(nil).ForTopic(audit).Partition(&kgo.Record{Key: []byte(key)}, 3) == partition {
			return key
		}
	}
}

// A position that belongs to records in another topic is refused, by a taking and by a
// commit.
func TestPositionOfAnotherTopicIsRefused(t *testing.T) {
	brokers := start(t, kfake.SeedTopics(1, "another"))
	l := open(t, settings(brokers))
	take(t, l, "")
	commit(t, l, `1`, "a")
	s := settings(brokers)
	s.Topic = "another"
	refused := func(err error) {
		t.Helper()
		if class(err) != "destination" || !strings.Contains(err.Error(), "its position belongs to records in topic audit, and the sink writes to topic another") ||
			!strings.Contains(hint(err), "sluice checkpoint set -c FILE --to TIME acme/siem") {
			t.Errorf("got %v of class %q with hint %q, want the topic to be refused", err, class(err), hint(err))
		}
	}
	_, err := open(t, s).Take(within(t))
	refused(err)
	refused(open(t, s).Commit(within(t), []kgo.Record{{Topic: "another", Value: []byte("b")}}, nil, []byte(`2`)))
	take(t, open(t, settings(brokers)), `1`)
	person := open(t, s)
	if err := person.Set(within(t), set(`3`)); err != nil {
		t.Fatal(err)
	}
	take(t, open(t, s), `3`)
}

// If the group says that another instance owns the lane, the producer is not even
// initialised: that would fence the owner.
func TestLaneOfAnotherIsLeftAlone(t *testing.T) {
	c := cluster(t)
	owner := open(t, settings(c.ListenAddrs()))
	take(t, owner, "")
	commit(t, owner, `1`, "a")
	stranger := errors.New("another owns the lane")
	s := settings(c.ListenAddrs())
	s.Confirm = func(context.Context) error { return stranger }
	l := open(t, s)
	if _, err := l.Take(within(t)); !errors.Is(err, stranger) {
		t.Errorf("got %v, want %v", err, stranger)
	}
	if err := l.Commit(within(t), records("never"), nil, []byte(`2`)); !errors.Is(err, stranger) {
		t.Errorf("got %v, want %v", err, stranger)
	}
	commit(t, owner, `2`, "b")
	committed(t, c.ListenAddrs(), audit, 2)
}

// A transaction of another lane is open below the position of this lane. The ledger waits
// for it, since the position after it is committed.
func TestPositionBehindAnOpenTransactionIsFound(t *testing.T) {
	c := cluster(t)
	l := open(t, settings(c.ListenAddrs()))
	take(t, l, "")
	commit(t, l, `1`, "a")
	other, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("another lane"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := other.ProduceSync(within(t), &kgo.Record{Topic: ledger.DefaultPositions, Partition: 15, Key: []byte("another"), Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	commit(t, l, `2`, "b")
	l.Close()
	s := settings(c.ListenAddrs())
	waits := make(chan struct{})
	s.Log = zerolog.New(signal{"waiting for transactions of other lanes", waits})
	ended := make(chan error)
	go func() {
		select {
		case <-waits:
			ended <- other.EndTransaction(within(t), kgo.TryAbort)
		case <-within(t).Done():
			ended <- errors.New("nobody waited for the transaction")
		}
	}()
	take(t, open(t, s), `2`)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// signal is a log that closes a channel when it gets a certain message.
type signal struct {
	message string
	seen    chan struct{}
}

func (s signal) Write(line []byte) (int, error) {
	if strings.Contains(string(line), s.message) {
		close(s.seen)
	}
	return len(line), nil
}

// Lanes of a source share a partition, but each finds its own position.
func TestLanesOfASourceFindTheirOwn(t *testing.T) {
	brokers := start(t)
	l, other := open(t, settings(brokers)), ledger.New("acme/other", settings(brokers))
	t.Cleanup(other.Close)
	take(t, l, "")
	take(t, other, "")
	commit(t, l, `1`, "a")
	commit(t, other, `2`, "b")
	take(t, open(t, settings(brokers)), `1`)
}

// A refused dead letter is not a record of the lane, so the error is not about a record.
func TestRefusedDeadLetterIsNoRecord(t *testing.T) {
	c := cluster(t)
	l := open(t, settings(c.ListenAddrs()))
	take(t, l, "")
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: audit + ".dead-letters", Err: kerr.MessageTooLarge})
	letters := []sink.Reject{{Record: sink.Record{ID: "x"}, Raw: []byte("x"), Reason: "bad"}}
	err := l.Commit(within(t), records("a"), letters, []byte(`1`))
	if _, named := errors.AsType[sink.BatchError](err); named || !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("got %v, want the topic of dead letters to be at fault", err)
	}
	if err := l.Commit(within(t), records("a"), letters, []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	committed(t, c.ListenAddrs(), audit, 1)
}
