package ledger_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka has ended the transaction, and the client would continue in another one: the
// partition that it learns this from then starts after its last record there.
func TestProducerIsNotRenewedWithinATransaction(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(3))
	for i := range int32(3) {
		if err := c.MoveTopicPartition(audit, i, i); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, settings(c.ListenAddrs()))
	take(t, l, "")
	all, seen := make(map[string]bool), make(map[string]bool) // partitions of the first transaction, and of the present one
	strayed := true                                           // the first transaction is not disturbed
	c.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p := req.(*kmsg.ProduceRequest)
		others := len(seen)
		see(seen, p)
		if strayed || others == 0 || len(seen) < len(all) {
			return nil, nil, false
		}
		strayed = true
		return renew(p), nil, true
	})
	var want []string
	for i := range 9 {
		want = append(want, fmt.Sprint(i))
	}
	commit(t, l, `1`, want...)
	all, seen, strayed = seen, make(map[string]bool), false // only the last broker that is asked returns an error
	if err := l.Commit(within(t), records(want...), nil, []byte(`2`)); err == nil {
		t.Error("got nil, but Kafka aborted a part of the transaction")
	}
	if !strayed {
		t.Fatal("no broker returned an error")
	}
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

// see adds the partitions of a request.
func see(seen map[string]bool, req *kmsg.ProduceRequest) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			seen[fmt.Sprint(t.Topic, t.TopicID, p.Partition)] = true
		}
	}
}

// renew makes the client take a new generation.
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
