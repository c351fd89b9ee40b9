//go:build integration

package ownership_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/sluice-siem/sluice/pkg/internal/kafkabroker"
	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
)

// These tests use Apache Kafka itself. One broker serves all of them, and each has its
// own group.
func TestRealBroker(t *testing.T) {
	b := startBroker(t)
	t.Run("three replicas share, leave and die", func(t *testing.T) { sharesOut(t, b) })
	t.Run("a static member comes back", func(t *testing.T) { comesBack(t, b) })
	t.Run("a member that was put out is not confirmed", func(t *testing.T) { putOut(t, b) })
	t.Run("the broker is killed and comes back", func(t *testing.T) { restarts(t, b) })
}

func sharesOut(t *testing.T, b *broker) {
	j := newJournal(t)
	s := b.settings("shares-out")
	join(t, dial, s, j.run("a", 0))
	j.await(15*time.Second, "all on a", shared("a"))
	w := newWire(dial)
	join(t, w.connect, s, j.run("b", 2*time.Second))
	third := join(t, dial, s, j.run("c", 0))
	j.await(25*time.Second, "all on a, b and c", shared("a", "b", "c"))
	owners, err := ownership.Owners(t.Context(), s, zerolog.Nop())
	if err != nil || len(owners) != partitions {
		t.Errorf("got %v and %v, want an owner of each partition", owners, err)
	}
	if err := third.stop(); err != nil {
		t.Error(err)
	}
	t.Logf("after one left: %v", j.await(3*time.Second, "all on a and b", shared("a", "b")))
	w.sever()
	t.Logf("after one died: %v", j.await(15*time.Second, "all on a", shared("a")))
}

func comesBack(t *testing.T, b *broker) {
	j := newJournal(t)
	s := b.settings("comes-back")
	join(t, dial, s, j.run("a", 0))
	s.InstanceID = "sluice-1"
	static := join(t, dial, s, j.run("b", 0))
	j.await(25*time.Second, "all on a and b", shared("a", "b"))
	before, owned := j.begun(), len(static.State().Owned)
	if err := static.stop(); err != nil {
		t.Error(err)
	}
	join(t, dial, s, j.run("b", 0))
	t.Logf("after a restart: %v", j.await(3*time.Second, "all on a and b again", shared("a", "b")))
	for number, n := range j.begun() {
		owned -= n - before[number]
	}
	if owned != 0 {
		t.Errorf("%d partitions were not run again", owned)
	}
}

func putOut(t *testing.T, b *broker) {
	j := newJournal(t)
	s := b.settings("put-out")
	s.InstanceID = "sluice-1"
	join(t, dial, s, j.run("a", 0))
	j.await(15*time.Second, "all on a", shared("a"))
	p := j.any("a")
	if err := p.Confirm(t.Context()); err != nil {
		t.Errorf("got %v, want the owner confirmed", err)
	}
	client, err := kafkaclient.New(s.Cluster, zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	left, err := kadm.NewClient(client.Client).LeaveGroup(t.Context(), kadm.LeaveGroup(s.Group).InstanceIDs(s.InstanceID))
	if err != nil || !left.Ok() {
		t.Fatal(err, left.Error())
	}
	if err := p.Confirm(t.Context()); !isNotOwner(err) {
		t.Errorf("got %v, want %v", err, ownership.ErrNotOwner)
	}
	j.await(15*time.Second, "all on a anew", func(running map[int32]string) bool {
		return shared("a")(running) && j.held[p.Number] != p
	})
	if err := j.any("a").Confirm(t.Context()); err != nil {
		t.Errorf("got %v, want the owner confirmed again", err)
	}
}

// Any owner is allowed afterwards: where connections are refused, kgo joins anew and
// claims no partition.
func restarts(t *testing.T, b *broker) {
	j := newJournal(t)
	s := b.settings("restarts")
	replicas := []*replica{join(t, dial, s, j.run("a", 0)), join(t, dial, s, j.run("b", 0))}
	j.await(25*time.Second, "all on a and b", shared("a", "b"))
	began := time.Now()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the broker was away for %v", time.Since(began))
	j.await(20*time.Second, "all on a and b again", shared("a", "b"))
	t.Logf("all run again after %v", time.Since(began))
	for _, r := range replicas {
		if err := r.State().Err; err != nil {
			t.Error(err)
		}
	}
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// broker is an Apache Kafka for these tests.
type broker struct{ *kafkabroker.Broker }

func startBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{kafkabroker.Start(t, t.TempDir(), kafkabroker.FreePorts(t, 2)...)}
	b.create(t)
	return b
}

func (b *broker) settings(group string) ownership.Settings {
	cluster := &kafkaclient.Settings{Brokers: []string{b.Address()}}
	return ownership.Settings{Cluster: cluster, Group: group, Topic: topic}
}

func (b *broker) create(t *testing.T) {
	t.Helper()
	client, err := kafkaclient.New(b.settings("").Cluster, zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client.Client).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}
