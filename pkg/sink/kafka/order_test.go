package kafka_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
)

// Whatever goes wrong on the way, a lane that publishes again what was not
// delivered leaves every record in Kafka, and for each key the first occurrences
// in the order of publishing.
func TestOrderOfEachKeyUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		run := run{
			faults: rapid.SliceOfN(rapid.Custom(drawFault), 0, 12).Draw(rt, "faults"),
			sizes:  rapid.SliceOfN(rapid.IntRange(1, 40), 1, 6).Draw(rt, "batches"),
			keys:   rapid.IntRange(1, 5).Draw(rt, "keys"),
			limit:  rapid.SampledFrom([]string{"2000", "1048588"}).Draw(rt, "message.max.bytes"),
			record: rapid.SampledFrom([]setting.Size{1 << 10, 1 << 19}).Draw(rt, "max_record_bytes"),
		}
		if what := publishUnder(t, run); what != "" {
			rt.Fatal(what)
		}
	})
}

// fault is what becomes of one request.
type fault struct {
	key  kmsg.Key
	code *kerr.Error // nil: none
	hang bool        // no answer; with a code: the connection is cut
}

func drawFault(t *rapid.T) fault {
	return fault{
		key: rapid.SampledFrom([]kmsg.Key{kmsg.Produce, kmsg.Produce, kmsg.Produce, kmsg.InitProducerID, kmsg.Metadata}).Draw(t, "request"),
		code: rapid.SampledFrom([]*kerr.Error{
			nil, nil, kerr.MessageTooLarge, kerr.TopicAuthorizationFailed, kerr.NotEnoughReplicas, kerr.RequestTimedOut,
			kerr.NotEnoughReplicasAfterAppend, kerr.OutOfOrderSequenceNumber, kerr.CorruptMessage, kerr.InvalidTimestamp,
			kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition,
		}).Draw(t, "answer"),
		hang: rapid.IntRange(0, 5).Draw(t, "hang") == 0,
	}
}

// run is batches of these sizes, published under faults. Whether the topic takes
// what Kafka's batches hold, and into how many those of a Publish are cut,
// follows from the limits.
type run struct {
	faults []fault
	sizes  []int
	keys   int
	limit  string
	record setting.Size
}

// publishUnder says what is wrong with what the topic holds after a run.
func publishUnder(t *testing.T, r run) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := start(t, kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(2, topic),
			kfake.BrokerConfigs(map[string]string{"message.max.bytes": r.limit}))
		inject(c, r.faults)
		s := settings(c)
		s.MaxRecordBytes = r.record
		snk := openIn(t, &network, s)
		n, rejects := 0, make(map[string]bool)
		for _, size := range r.sizes {
			if err := publishAll(t, snk, batch(n, size, r.keys, 300), rejects); err != nil {
				wrong = fmt.Sprintf("not delivered after a hundred attempts, the last: %v", err)
				return
			}
			n += size
		}
		wrong = disorder(read(t, c, kgo.Dialer(network.DialContext)), n, rejects)
	})
	return wrong
}

// inject has each fault meet one request of its kind, with requests between
// them that go well.
func inject(c *kfake.Cluster, faults []fault) {
	for _, f := range faults {
		switch {
		case f.hang:
			c.ControlKey(f.key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				if f.code != nil {
					return nil, errors.New("connection cut"), true
				}
				return nil, nil, true
			})
		case f.code != nil:
			c.Fault(kfake.Fault{Keys: []kmsg.Key{f.key}, Err: f.code})
		default:
			c.Fault(kfake.Fault{Keys: []kmsg.Key{f.key}, Observe: true, Count: 1})
		}
	}
}

// publishAll publishes again what an error names, as a lane does, and adds to
// the rejects. A broker that calls a record too large that comes alone gets it
// rejected, true or not.
func publishAll(t *testing.T, snk sink.Sink, left []sink.Record, rejects map[string]bool) (err error) {
	for range 100 {
		err = snk.Publish(within(t, 25*time.Second), left)
		var partial sink.BatchError
		if errors.As(err, &partial) {
			var again []sink.Record
			for _, e := range partial {
				if sink.IsPermanent(e.Err) {
					rejects[left[e.Index].ID] = true
				} else {
					again = append(again, left[e.Index])
				}
			}
			left = again
		}
		if err == nil || len(left) == 0 {
			return nil
		}
	}
	return err
}

// disorder says which of n records is neither there nor rejected, or first
// follows a later one of its key; empty if all is well.
func disorder(records []*kgo.Record, n int, rejects map[string]bool) string {
	seen := make(map[int]bool)
	last := make(map[string]int)
	for _, r := range records {
		var i int
		if _, err := fmt.Sscan(header(r, "sluice-event-id"), &i); err != nil {
			return err.Error()
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		if before, ok := last[string(r.Key)]; ok && before > i {
			return fmt.Sprintf("record %d first occurs after record %d of its key", i, before)
		}
		last[string(r.Key)] = i
	}
	for i := range n {
		if !seen[i] && !rejects[fmt.Sprint(i)] {
			return fmt.Sprintf("record %d of %d is not there", i, n)
		}
	}
	return ""
}

// onlooker pauses the client at records of a batch, and at the first failure.
type onlooker struct {
	at      map[string]func() // by event id, before the record is buffered
	failure func()
	failed  chan struct{} // closed when failure is about to be called
	once    sync.Once
}

func (o *onlooker) OnProduceRecordBuffered(r *kgo.Record) {
	if f := o.at[header(r, "sluice-event-id")]; f != nil {
		delete(o.at, header(r, "sluice-event-id"))
		f()
	}
}

func (o *onlooker) OnProduceRecordUnbuffered(_ *kgo.Record, err error) {
	if err != nil && len(o.at) > 0 {
		o.once.Do(func() {
			close(o.failed)
			o.failure()
		})
	}
}

// A batch that is refused while the end of it is not yet handed over to the
// client must not be overtaken by that end.
func TestOrderWhereTheClientSendsAtWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := start(t, kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(1, topic))
		o := &onlooker{failed: make(chan struct{}), failure: func() {}}
		snk := openIn(t, &network, settings(c), o)
		if err := snk.Publish(within(t, time.Minute), batch(0, 1, 1, 50)); err != nil {
			t.Fatal(err)
		}
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidTimestamp})
		sendAndWait := func() {
			go kafka.Flush(within(t, time.Minute), snk) // the records' errors tell what came of it
			time.Sleep(time.Second)
		}
		o.at = map[string]func(){"10": sendAndWait, "20": sendAndWait, "30": func() {}}
		expectOrder(t, c, &network, snk, batch(1, 39, 1, 50))
	})
}

// Partitions that cannot be written to while a batch is handed over, and can
// before the client has told so, must not split it.
func TestOrderWhereTheClientTellsOfFailuresLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := start(t, kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(1, topic))
		o := &onlooker{failed: make(chan struct{}), failure: func() { time.Sleep(time.Minute) }}
		snk := openIn(t, &network, settings(c), o)
		if err := snk.Publish(within(t, time.Minute), batch(0, 1, 1, 50)); err != nil {
			t.Fatal(err)
		}
		o.at = map[string]func(){
			"10": func() {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: topic, Partitions: []int32{0}, Err: kerr.TopicAuthorizationFailed})
				kafka.Refresh(snk)
				<-o.failed
			},
			"20": func() {
				kafka.Refresh(snk)
				time.Sleep(10 * time.Second)
			},
			"30": func() {},
		}
		expectOrder(t, c, &network, snk, batch(1, 39, 1, 50))
	})
}

// expectOrder publishes records behind one that is there, and reads them back.
func expectOrder(t *testing.T, c *kfake.Cluster, network *kfake.VirtualNetwork, snk sink.Sink, records []sink.Record) {
	t.Helper()
	for left := records; ; {
		err := snk.Publish(within(t, 5*time.Minute), left)
		var partial sink.BatchError
		if err == nil {
			break
		}
		if errors.As(err, &partial) {
			var again []sink.Record
			for _, e := range partial {
				again = append(again, left[e.Index])
			}
			left = again
		}
	}
	if wrong := disorder(read(t, c, kgo.Dialer(network.DialContext)), len(records)+1, nil); wrong != "" {
		t.Error(wrong)
	}
}

// What the client wanted to send too early is not sent by closing it, and does
// not keep it from closing.
func TestCloseWhileTheClientIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := start(t, kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(1, topic))
		o := &onlooker{failed: make(chan struct{}), failure: func() {}}
		snk := openIn(t, &network, settings(c), o)
		if err := snk.Publish(within(t, time.Minute), batch(0, 1, 1, 50)); err != nil {
			t.Fatal(err)
		}
		o.at = map[string]func(){"10": func() {
			go kafka.Flush(within(t, time.Minute), snk) // the records' errors tell what came of it
			time.Sleep(time.Second)
			if err := snk.Close(); err != nil {
				t.Error(err)
			}
		}}
		if err := snk.Publish(within(t, time.Minute), batch(1, 39, 1, 50)); err == nil || sink.IsPermanent(err) {
			t.Errorf("got %v, want an error that may be retried", err)
		}
		if got := len(read(t, c, kgo.Dialer(network.DialContext))); got != 1 {
			t.Errorf("got %d records, want the one from before", got)
		}
	})
}
