package ownership_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-siem/sluice/pkg/internal/kafkaclient"
	"github.com/sluice-siem/sluice/pkg/internal/ownership"
)

// cluster is a cluster in this process, on a network in memory.
type cluster struct {
	*kfake.Cluster
	network kfake.VirtualNetwork
}

// virtual runs f in a bubble, with a cluster in it.
func virtual(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var c cluster
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic),
			kfake.ListenFn(c.network.Listen), kfake.Ports(9092), kfake.GroupMinSessionTimeout(6*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		c.Cluster = fake
		f(t, &c)
	})
}

func (c *cluster) settings() ownership.Settings {
	return ownership.Settings{
		Cluster: &kafkaclient.Settings{Brokers: c.ListenAddrs()}, Group: group, Topic: topic,
	}
}

// count counts requests of a kind from now on.
func (c *cluster) count(key kmsg.Key) *atomic.Int64 {
	var n atomic.Int64
	c.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		n.Add(1)
		c.KeepControl()
		return nil, nil, false
	})
	return &n
}

// expel removes the members from the group without telling them.
func (c *cluster) expel(t *testing.T) {
	t.Helper()
	client, err := kafkaclient.New(c.settings().Cluster, zerolog.Nop(), c.network.DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	for _, m := range c.GroupInfo(group).Members {
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		req.Members = append(req.Members, member)
	}
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

func TestAloneAReplicaOwnsAll(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		fetches, lists := c.count(kmsg.Fetch), c.count(kmsg.ListOffsets)
		j := newJournal(t)
		r := join(t, c.network.DialContext, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		if got := r.State(); len(got.Owned) != partitions || got.Owned[0] != 0 || got.Owned[partitions-1] != partitions-1 || got.Err != nil {
			t.Errorf("got %+v, want all partitions in their order", got)
		}
		<-time.After(10 * time.Minute)
		if diff := cmp.Diff(all(1), j.begun()); diff != "" {
			t.Errorf("how often partitions were run (-want +got):\n%s", diff)
		}
		if err := r.stop(); err != nil {
			t.Errorf("got %v, want no error at the end", err)
		}
		if got := r.State(); len(got.Owned) != 0 {
			t.Errorf("got %+v, want nothing owned after the end", got)
		}
		if fetches.Load() != 0 || lists.Load() != 0 {
			t.Errorf("got %d fetches and asked %d times for offsets, want none", fetches.Load(), lists.Load())
		}
		if n := len(c.GroupInfo(group).Members); n != 0 {
			t.Errorf("got %d members, want the group left", n)
		}
	})
}

func TestReplicasShare(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		join(t, c.network.DialContext, c.settings(), j.run("a", 3*time.Second))
		j.await(3*time.Second, "all on a", shared("a"))
		join(t, c.network.DialContext, c.settings(), j.run("b", 2*time.Second))
		j.await(15*time.Second, "all on a and b", shared("a", "b"))
		third := join(t, c.network.DialContext, c.settings(), j.run("c", 0))
		j.await(15*time.Second, "all on a, b and c", shared("a", "b", "c"))
		if err := third.stop(); err != nil {
			t.Error(err)
		}
		j.await(3*time.Second, "all on a and b again", shared("a", "b"))
	})
}

func TestAReplicaLetsGo(t *testing.T) {
	tests := []struct {
		name string
		stop func(*wire)
	}{
		{"when its connections are cut", (*wire).sever},
		{"when nobody answers", func(w *wire) { close(w.dead) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, c *cluster) {
				j := newJournal(t)
				join(t, c.network.DialContext, c.settings(), j.run("a", 0))
				w := newWire(c.network.DialContext)
				b := join(t, w.connect, c.settings(), j.run("b", 3*time.Second))
				j.await(15*time.Second, "all on a and b", shared("a", "b"))
				<-time.After(time.Minute)
				tt.stop(w)
				took := j.await(15*time.Second, "b to let go", without("b"))
				if took < 8*time.Second || took > 10*time.Second {
					t.Errorf("suspended after %v, want it just before the end of the session", took)
				}
				j.await(15*time.Second-took, "all on a", shared("a"))
				if b.State().Err == nil {
					t.Error("got a state without an error")
				}
			})
		})
	}
}

// The group has only one member, so nobody takes its place. When the cluster can be
// reached again, it resumes what it owned all along.
func TestAReplicaGoesOnWhereItLetGo(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		w := newWire(c.network.DialContext)
		var log told
		r := joinTelling(t, w.connect, c.settings(), &log, j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		w.sever()
		j.await(15*time.Second, "a to let go", without("a"))
		w.mend()
		j.await(20*time.Second, "all on a again", shared("a"))
		if diff := cmp.Diff(all(2), j.begun()); diff != "" {
			t.Errorf("how often partitions were run (-want +got):\n%s", diff)
		}
		if err := r.State().Err; err != nil {
			t.Errorf("got %v, want it mended", err)
		}
		if text := log.String(); strings.Count(text, "the group works again") != 1 {
			t.Errorf("got %s, want it said once that the group works again", text)
		}
	})
}

func TestAShortInterruptionIsNotNoticed(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		w := newWire(c.network.DialContext)
		join(t, w.connect, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		<-time.After(time.Minute)
		w.sever()
		<-time.After(3 * time.Second)
		w.mend()
		<-time.After(time.Minute)
		if diff := cmp.Diff(all(1), j.begun()); diff != "" {
			t.Errorf("how often partitions were run (-want +got):\n%s", diff)
		}
	})
}

func TestAnErrorEndsRun(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		broken := errors.New("no space left on device")
		run := j.run("a", 0)
		r := join(t, c.network.DialContext, c.settings(), func(ctx context.Context, p *ownership.Partition) error {
			if p.Number == 7 {
				return broken
			}
			return run(ctx, p)
		})
		err := <-r.ended
		r.ended <- nil
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "partition 7") {
			t.Errorf("got %v, want %v of partition 7", err, broken)
		}
		j.await(0, "all ended", without("a"))
	})
}

func TestAnErrorAfterTheEndIsLogged(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		var log told
		run := j.run("a", 0)
		r := joinTelling(t, c.network.DialContext, c.settings(), &log, func(ctx context.Context, p *ownership.Partition) error {
			if err := run(ctx, p); p.Number != 7 {
				return err
			}
			return errors.New("no space left on device")
		})
		j.await(3*time.Second, "all on a", shared("a"))
		if err := r.stop(); err != nil {
			t.Errorf("got %v, want no error", err)
		}
		if text := log.String(); strings.Count(text, "no space left") != 1 || strings.Count(text, "a partition ended with an error") != 1 {
			t.Errorf("got log %s, want the error in it", text)
		}
	})
}

func TestConfirm(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		join(t, c.network.DialContext, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		p := j.any("a")
		if err := p.Confirm(t.Context()); err != nil {
			t.Errorf("got %v, want the owner confirmed", err)
		}
		fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress, Count: -1})
		if err := p.Confirm(t.Context()); !errors.Is(err, kerr.RebalanceInProgress) || isNotOwner(err) {
			t.Errorf("where the coordinator cannot say: got %v, want one that may be asked again", err)
		}
		fault.Remove()
		c.expel(t)
		if err := p.Confirm(t.Context()); !isNotOwner(err) {
			t.Errorf("after it was put out of the group: got %v, want %v", err, ownership.ErrNotOwner)
		}
		j.await(10*time.Second, "all on a anew", func(running map[int32]string) bool {
			return shared("a")(running) && j.held[p.Number] != p
		})
		if err := p.Confirm(t.Context()); !isNotOwner(err) {
			t.Errorf("for what was let go: got %v, want %v", err, ownership.ErrNotOwner)
		}
		if err := j.any("a").Confirm(t.Context()); err != nil {
			t.Errorf("for what is owned again: got %v, want the owner confirmed", err)
		}
	})
}

func TestAStaticMemberIsExpectedBack(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		s := c.settings()
		join(t, c.network.DialContext, s, j.run("a", 0))
		s.InstanceID = "sluice-1"
		b := join(t, c.network.DialContext, s, j.run("b", 0))
		j.await(15*time.Second, "all on a and b", shared("a", "b"))
		before := j.begun()
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		<-time.After(5 * time.Second)
		b = join(t, c.network.DialContext, s, j.run("b", 0))
		j.await(3*time.Second, "all on a and b again", shared("a", "b"))
		again := 0
		for number, n := range j.begun() {
			again += n - before[number]
		}
		if want := len(b.State().Owned); again != want {
			t.Errorf("%d partitions were run again, want the %d of b", again, want)
		}
		// This must take no longer than the session.
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		if took := j.await(15*time.Second, "all on a", shared("a")); took < 8*time.Second {
			t.Errorf("all partitions were on a after %v, want them there at the end of the session", took)
		}
	})
}

// told is a log that can be read while it is written.
type told struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestTroubleIsTold(t *testing.T) {
	const acls = "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:ANONYMOUS --operation Read"
	tests := []struct {
		name  string
		fault kfake.Fault
		hint  string
	}{
		{"a group that may not be joined", kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed},
			acls + " --group sluice"},
		{"a topic that may not be read", kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Err: kerr.TopicAuthorizationFailed},
			acls + " --topic sluice.positions"},
		{"an instance that is there twice", kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.FencedInstanceID},
			"another process joined as instance_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, c *cluster) {
				tt.fault.Count = -1
				fault := c.Fault(tt.fault)
				var log told
				j := newJournal(t)
				r := joinTelling(t, c.network.DialContext, c.settings(), &log, j.run("a", 0))
				for minute, want := range []int{1, 1, 1, 1, 1, 2} {
					<-time.After(time.Minute)
					if got := strings.Count(log.String(), tt.hint); got != want {
						t.Fatalf("after %d minutes: got the hint %d times, want %d, in\n%s", minute+1, got, want, log.String())
					}
				}
				if r.State().Err == nil {
					t.Error("got a state without an error")
				}
				fault.Remove()
				j.await(time.Minute, "all on a", shared("a"))
				if err := r.State().Err; err != nil {
					t.Errorf("got %v, want it mended", err)
				}
			})
		})
	}
}

func TestOwners(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		ask := func() map[int32]ownership.Owner {
			t.Helper()
			got, err := ownership.OwnersOver(t.Context(), c.network.DialContext, c.settings(), zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := ask(); len(got) != 0 {
			t.Errorf("got %v, want no owner of anything before there is a group", got)
		}
		j := newJournal(t)
		s := c.settings()
		for _, name := range []string{"a", "b"} {
			s.InstanceID = name
			join(t, c.network.DialContext, s, j.run(name, 3*time.Second))
		}
		j.await(20*time.Second, "all on a and b", shared("a", "b"))
		want := make(map[int32]string)
		j.await(0, "all on a and b", func(running map[int32]string) bool {
			for number, name := range running {
				want[number] = name
			}
			return true
		})
		compare := func(want map[int32]string) {
			t.Helper()
			got := make(map[int32]string)
			for number, owner := range ask() {
				got[number] = owner.InstanceID
				if owner.Host == "" || !strings.HasPrefix(owner.MemberID, owner.InstanceID) {
					t.Errorf("got %+v, want a host, and a member id that begins with the instance", owner)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
		}
		compare(want)
		if n := len(c.GroupInfo(group).Members); n != 2 {
			t.Errorf("got %d members, want that asking made none", n)
		}
	})
}
