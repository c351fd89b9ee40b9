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

// Whatever goes wrong, a lane that retries undelivered records leaves every record in
// Kafka, and for each key the first occurrences are in the order of publishing.
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

// fault is what goes wrong with one request.
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

// run is batches of these sizes, published under faults. The limits decide whether the
// topic takes Kafka's batches, and into how many a Publish is split.
type run struct {
	faults []fault
	sizes  []int
	keys   int
	limit  string
	record setting.Size
}

// publishUnder does a run, and describes what is wrong with the topic afterwards.
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

// inject applies each fault to one request of its kind, with successful requests in
// between.
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

// publishAll publishes the records that an error names again, as a lane does, and
// collects the rejects. A record is rejected if the broker calls it too large when it
// comes alone, true or not.
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

// disorder describes a record of n that is neither there nor rejected, or whose first
// occurrence is after a later record with its key; empty if there is none.
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

// If the start of a batch is refused before the client has its end, the end must not
// be written first.
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

// Partitions that cannot be written to while a batch is produced, but can before the
// client reports it, must not split the batch.
func TestOrderWhereTheClientReportsFailuresLate(t *testing.T) {
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

// expectOrder publishes records after an existing one, and reads them back.
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

// Records that the client wanted to send too early are not sent when it is closed, and
// do not block Close.
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
