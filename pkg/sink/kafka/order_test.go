package kafka_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
)

// Whatever goes wrong on the way, a lane that publishes again what was not
// delivered leaves every record in Kafka, and for each key the first occurrences
// in the order of publishing.
func TestOrderOfEachKeyUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.Custom(drawFault), 0, 12).Draw(rt, "faults")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 40), 1, 6).Draw(rt, "batches")
		keys := rapid.IntRange(1, 5).Draw(rt, "keys")
		if what := publishUnder(t, faults, sizes, keys); what != "" {
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

// publishUnder publishes batches of the given sizes under the faults, and says
// what is wrong with what the topic holds then.
func publishUnder(t *testing.T, faults []fault, sizes []int, keys int) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c := start(t, kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(2, topic),
			kfake.BrokerConfigs(map[string]string{"message.max.bytes": "2000"}))
		inject(c, faults)
		snk := openIn(t, &network, settings(c))
		n, rejects := 0, make(map[string]bool)
		for _, size := range sizes {
			if err := publishAll(t, snk, batch(n, size, keys, 300), rejects); err != nil {
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

// A batch is so large that requests could be refused while the end of it is not
// yet handed to the client: what comes behind must not overtake them.
func TestOrderOfALargeBatchRefusedInPart(t *testing.T) {
	for refused := range 6 {
		t.Run(fmt.Sprint("request ", refused), func(t *testing.T) {
			c := start(t, kfake.SeedTopics(1, topic))
			snk := open(t, settings(c))
			if err := snk.Publish(within(t, 10*time.Second), batch(0, 1, 1, 100)); err != nil {
				t.Fatal(err)
			}
			passed := 0
			c.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
				if passed++; passed <= refused {
					return nil, nil, false
				}
				return refuse(req.(*kmsg.ProduceRequest), kerr.InvalidTimestamp), nil, true
			})
			records := batch(1, 50_000, 5, 50)
			if err := publishAll(t, snk, records, make(map[string]bool)); err != nil {
				t.Fatal(err)
			}
			if wrong := disorder(read(t, c), len(records)+1, nil); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}
