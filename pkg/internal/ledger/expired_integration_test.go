//go:build integration

package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// Kafka itself forgets an idle lane: the coordinator forgets its transactional id, and
// the partitions forget its producer. The test shortens the times, which are days and
// weeks by default.
func TestRealBrokerForgetsWhoIsIdle(t *testing.T) {
	b := startBroker(t,
		"transactional.id.expiration.ms=1000", "transaction.remove.expired.transaction.cleanup.interval.ms=500",
		"producer.id.expiration.ms=1000", "producer.id.expiration.check.interval.ms=500")
	t.Run("the lane goes on at once", func(t *testing.T) {
		const name = "idle"
		b.create(t, name, 1)
		l := open(t, b.settings(name))
		take(t, l, "")
		write(t, l, name, `1`, "a")
		b.forgets(t, name)
		began := time.Now()
		write(t, l, name, `2`, "b")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v to go on", took)
		}
		write(t, l, name, `3`, "c")
		expect(t, b.read(t, name), "a", "b", "c")
		take(t, open(t, b.settings(name)), `3`)
	})
	t.Run("a rival took the lane meanwhile", func(t *testing.T) {
		const name = "rival"
		b.create(t, name, 1)
		l, rival := open(t, b.settings(name)), open(t, b.settings(name))
		take(t, l, "")
		write(t, l, name, `1`, "a")
		b.forgets(t, name)
		take(t, rival, `1`)
		write(t, rival, name, `2`, "b")
		expectFenced(t, l.Commit(within(t), to(name, "never"), nil, []byte(`2`)), kerr.InvalidProducerIDMapping)
		write(t, rival, name, `3`, "c")
		expect(t, b.read(t, name), "a", "b", "c")
	})
	t.Run("a rival took the lane and committed nothing", func(t *testing.T) {
		const name = "hidden"
		b.create(t, name, 1)
		l, rival := open(t, b.settings(name)), open(t, b.settings(name))
		take(t, l, "")
		write(t, l, name, `1`, "a")
		b.forgets(t, name)
		take(t, rival, `1`)
		write(t, l, name, `2`, "b")
		expectFenced(t, rival.Commit(within(t), to(name, "never"), nil, []byte(`2`)), kerr.InvalidProducerEpoch)
		write(t, l, name, `3`, "c")
		expect(t, b.read(t, name), "a", "b", "c")
	})
}

// forgets waits until the coordinator no longer knows the lanes of a namespace, and the
// partition no longer knows their producers.
func (b *broker) forgets(t *testing.T, name string) {
	t.Helper()
	c, ctx := b.client(t), within(t)
	for !b.forgot(t, c, name) {
		if ctx.Err() != nil {
			t.Fatal("Kafka did not forget the lane")
		}
	}
}

func (b *broker) forgot(t *testing.T, c *kgo.Client, name string) bool {
	t.Helper()
	ids := kmsg.NewPtrDescribeTransactionsRequest()
	ids.TransactionalIDs = []string{ledger.TransactionalID(name, lane)}
	known, err := ids.RequestWith(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	producers := kmsg.NewPtrDescribeProducersRequest()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = name, []int32{0}
	producers.Topics = append(producers.Topics, topic)
	active, err := producers.RequestWith(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.Is(kerr.ErrorForCode(known.TransactionStates[0].ErrorCode), kerr.TransactionalIDNotFound)
	return gone && len(active.Topics[0].Partitions[0].ActiveProducers) == 0
}
