package kafkabroker

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Nodes is how many brokers a Cluster has.
const Nodes = 3

// Cluster is three brokers that keep replicas of each other's partitions. Each is a
// controller too. A topic has three replicas unless it says otherwise, and takes a
// record that two of them have.
type Cluster struct {
	Brokers [Nodes]*Broker // the one with node id i is at i-1
}

// StartCluster starts three brokers in directories of their own below dir, and ends
// them with the test.
func StartCluster(t testing.TB, dir string) *Cluster {
	t.Helper()
	c := new(Cluster)
	ports := FreePorts(t, 2*Nodes)
	for i := range c.Brokers {
		c.Brokers[i] = &Broker{Dir: filepath.Join(dir, fmt.Sprint(i+1)), Ports: ports[2*i : 2*i+2]}
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	for i := range c.Brokers {
		if err := c.prepare(i, base64.RawURLEncoding.EncodeToString(id[:])); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, b := range c.Brokers {
			if err := b.Kill(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

// prepare writes what makes a broker one of the cluster.
func (c *Cluster) prepare(i int, id string) error {
	dir := c.Brokers[i].Dir
	return errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "cluster.id"), []byte(id+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "more.properties"), []byte(c.properties(i)), 0o600),
	)
}

func (c *Cluster) properties(i int) string {
	voters := make([]string, Nodes)
	for i, b := range c.Brokers {
		voters[i] = fmt.Sprintf("%d@%s", i+1, Loopback(b.Ports[1]))
	}
	return strings.Join([]string{
		fmt.Sprintf("node.id=%d", i+1),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"default.replication.factor=3",
		"min.insync.replicas=2",
		"offsets.topic.replication.factor=3",
		"transaction.state.log.replication.factor=3",
		"transaction.state.log.min.isr=2",
		"share.coordinator.state.topic.replication.factor=3",
		"share.coordinator.state.topic.min.isr=2",
		// A leader moves when it is asked to, and when a broker ends.
		"auto.leader.rebalance.enable=false",
	}, "\n") + "\n"
}

// start starts all at once: one alone has no controller.
func (c *Cluster) start() error {
	var starting errgroup.Group
	for _, b := range c.Brokers {
		starting.Go(b.Start)
	}
	return starting.Wait()
}

// Addresses are those of the plaintext listeners.
func (c *Cluster) Addresses() []string {
	all := make([]string, Nodes)
	for i, b := range c.Brokers {
		all[i] = b.Address()
	}
	return all
}
