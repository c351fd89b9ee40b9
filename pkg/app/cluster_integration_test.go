//go:build integration

package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/internal/ledger"
)

// cluster is three brokers, and a client that may ask them anything.
type cluster struct {
	*kafkabroker.Cluster
	admin *kadm.Client
	sizes map[string]int64 // sizes of topics on the disks at the last call of grown
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{Cluster: kafkabroker.StartCluster(t, t.TempDir()), sizes: map[string]int64{}}
	// The answers must be current, since leaders change all the time.
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addresses()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c.admin = kadm.NewClient(client)
	return c
}

// create makes a topic with as many replicas as there are brokers.
func (c *cluster) create(t *testing.T, topic string) {
	t.Helper()
	c.insist(t, "creating topic "+topic, func() error {
		_, err := c.admin.CreateTopic(t.Context(), partitions, -1, nil, topic)
		return err
	})
}

// insist calls f until it succeeds. A cluster whose brokers die and come back refuses
// requests for a while.
func (c *cluster) insist(t *testing.T, what string, f func() error) {
	t.Helper()
	within := backoff.WithMaxRetries(backoff.NewConstantBackOff(50*time.Millisecond), 2400) // two minutes
	if err := backoff.Retry(f, within); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// place is a partition that the lane needs.
type place struct {
	topic     string
	partition int32
}

// The partitions of a lane's transaction; its records are in all partitions of audit.
var (
	positions    = place{"sluice.positions", ledger.Partition("acme")}
	coordination = place{"__transaction_state", coordinatedBy("sluice.acme.siem")}
)

// coordinatedBy returns the partition whose leader coordinates a transactional id:
// Kafka's TransactionStateManager.partitionFor, by Java's String.hashCode.
func coordinatedBy(id string) int32 {
	var hash int32
	for _, c := range id {
		hash = 31*hash + c
	}
	const stateTopicPartitions = 50 // transaction.state.log.num.partitions
	return (hash & 0x7fffffff) % stateTopicPartitions
}

// describe returns a partition that has a leader.
func (c *cluster) describe(t *testing.T, p place) (detail kadm.PartitionDetail) {
	t.Helper()
	c.insist(t, fmt.Sprintf("asking for the leader of %v", p), func() error {
		topics, err := c.admin.ListTopicsWithInternal(t.Context(), p.topic)
		if err != nil {
			return err
		}
		detail = topics[p.topic].Partitions[p.partition]
		if len(detail.Replicas) == 0 || detail.Leader < 0 {
			return fmt.Errorf("no leader: %w", errors.Join(topics[p.topic].Err, detail.Err))
		}
		return nil
	})
	return detail
}

// leader returns the broker that leads a partition.
func (c *cluster) leader(t *testing.T, p place) *kafkabroker.Broker {
	t.Helper()
	return c.Brokers[c.describe(t, p).Leader-1]
}

// inSync waits until all replicas of the topics' partitions have all records.
func (c *cluster) inSync(t *testing.T, topics ...string) {
	t.Helper()
	c.insist(t, "waiting for replicas to be in sync", func() error {
		described, err := c.admin.ListTopicsWithInternal(t.Context(), topics...)
		if err != nil {
			return err
		}
		for _, topic := range described {
			if topic.Err != nil {
				return topic.Err
			}
			for _, p := range topic.Partitions {
				if len(p.ISR) < kafkabroker.Nodes {
					return fmt.Errorf("topic %s, partition %d: in sync are %v of %v", topic.Topic, p.Partition, p.ISR, p.Replicas)
				}
			}
		}
		return nil
	})
}

// reassign moves a partition from its leader to the two others. Then it gives the former
// leader a replica again, which copies the whole partition.
func (c *cluster) reassign(t *testing.T, p place) {
	t.Helper()
	before := c.describe(t, p)
	others := slices.DeleteFunc(slices.Clone(before.Replicas), func(node int32) bool { return node == before.Leader })
	c.assign(t, p, others)
	c.assign(t, p, append(others, before.Leader))
	if after := c.describe(t, p); after.Leader == before.Leader {
		t.Errorf("broker %d leads %v as before", after.Leader, p)
	}
}

// assign gives a partition replicas, and returns when all of them are in sync.
func (c *cluster) assign(t *testing.T, p place, nodes []int32) {
	t.Helper()
	c.insist(t, fmt.Sprintf("assigning %v to %v", p, nodes), func() error {
		var req kadm.AlterPartitionAssignmentsReq
		req.Assign(p.topic, p.partition, nodes)
		resp, err := c.admin.AlterPartitionAssignments(t.Context(), req)
		return errors.Join(err, resp.Error())
	})
	c.insist(t, fmt.Sprintf("waiting for %v to be on %v", p, nodes), func() error {
		topics, err := c.admin.ListTopicsWithInternal(t.Context(), p.topic)
		if err != nil {
			return err
		}
		detail := topics[p.topic].Partitions[p.partition]
		if len(detail.Replicas) != len(nodes) || len(detail.ISR) != len(nodes) {
			return fmt.Errorf("it is on %v, of which %v are in sync", detail.Replicas, detail.ISR)
		}
		return nil
	})
}

// roll restarts one broker after the other, as an upgrade of a cluster does. Between two
// restarts it waits until all replicas are in sync.
func (c *cluster) roll(t *testing.T, topics ...string) {
	t.Helper()
	for _, b := range c.Brokers {
		c.inSync(t, topics...)
		if err := b.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
	}
	c.inSync(t, topics...)
}

// grown reports whether anything was written to a topic since its last call. It looks at
// the largest replica of each partition, which is or was the leader's.
func (c *cluster) grown(topic string) bool {
	most := map[string]int64{} // by partition
	for _, b := range c.Brokers {
		logs, err := filepath.Glob(filepath.Join(b.Dir, "data", topic+"-*", "*.log"))
		if err != nil {
			return false
		}
		here := map[string]int64{}
		for _, log := range logs {
			if info, err := os.Stat(log); err == nil {
				here[filepath.Base(filepath.Dir(log))] += info.Size()
			}
		}
		for partition, size := range here {
			most[partition] = max(most[partition], size)
		}
	}
	var size int64
	for _, n := range most {
		size += n
	}
	before := c.sizes[topic]
	c.sizes[topic] = size
	return size > before
}
