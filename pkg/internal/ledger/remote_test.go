package ledger_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka has ended the transaction, and the client would go on in another: the
// partition that it is told so by begins behind what it last wrote there.
func TestProducerIsNotRenewedWithinATransaction(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(5))
	l := open(t, settings(c.ListenAddrs()))
	take(t, l, "")
	requests, last := 0, -1
	c.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		requests++
		if requests != last {
			return nil, nil, false
		}
		return renew(req.(*kmsg.ProduceRequest)), nil, true
	})
	var want []string
	for i := range 9 {
		want = append(want, fmt.Sprint(i))
	}
	commit(t, l, `1`, want...)
	requests, last = 0, requests // the same partitions once more, and the last broker of them errs
	if err := l.Commit(within(t), records(want...), nil, []byte(`2`)); err == nil {
		t.Error("got nil, although Kafka aborted a part of the transaction")
	}
	if requests <= last {
		t.Fatalf("got %d requests, want more than %d: the client did not go on", requests, last)
	}
	last = -1
	commit(t, l, `2`, want...)
	got := make(map[string]int)
	for _, r := range committed(t, c.ListenAddrs(), audit, 18) {
		got[string(r.Value)]++
	}
	twice := make(map[string]int)
	for _, text := range want {
		twice[text] = 2
	}
	if diff := cmp.Diff(twice, got); diff != "" {
		t.Errorf("committed (-want +got):\n%s", diff)
	}
}

// renew has the client take a new generation.
func renew(req *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode, partition.LogStartOffset = p.Partition, kerr.InvalidProducerEpoch.Code, 1<<20
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
