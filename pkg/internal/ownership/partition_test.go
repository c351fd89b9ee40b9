package ownership_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition that was started for another member is not confirmed, although the
// coordinator knows this member: others may have run the partition meanwhile.
func TestConfirmOfAnotherMember(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		join(t, c.network.DialContext, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		p := j.any("a")
		if err := p.Confirm(t.Context()); err != nil {
			t.Errorf("got %v, want the owner confirmed", err)
		}
		if err := p.As("another").Confirm(t.Context()); !isNotOwner(err) {
			t.Errorf("got %v, want it not confirmed", err)
		}
	})
}

// A suspended partition is not confirmed, although the coordinator still says that this
// replica owns it.
func TestConfirmOfWhatWasLetGo(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		join(t, c.network.DialContext, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		over, end := context.WithCancel(t.Context())
		end()
		if err := j.any("a").In(over).Confirm(t.Context()); !isNotOwner(err) {
			t.Errorf("got %v, want it not confirmed", err)
		}
	})
}

// A replica that comes back as another member ends what it ran as the former one before
// it runs that again.
func TestAnotherMemberStartsAnew(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		r := join(t, c.network.DialContext, c.settings(), j.run("a", time.Second))
		j.await(3*time.Second, "all on a", shared("a"))
		synctest.Wait()
		before := j.any("a")
		began := time.Now()
		r.StartAs(t.Context(), "another")
		if took := time.Since(began); took != time.Second {
			t.Errorf("it waited for %v, want a second, until the former run had ended", took)
		}
		synctest.Wait()
		if diff := cmp.Diff(all(2), j.begun()); diff != "" {
			t.Errorf("how often partitions were run (-want +got):\n%s", diff)
		}
		if j.held[before.Number] == before {
			t.Error("the partition of the former member still counts as owned")
		}
	})
}

// A partition that was given up is not run again, however often the others are suspended
// and started.
func TestWhatWasGivenUpIsNotRunAgain(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		r := join(t, c.network.DialContext, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		r.Revoke(3, 7)
		for range 2 {
			r.Suspend()
			<-time.After(5 * time.Second)
		}
		want := all(3)
		want[3], want[7] = 1, 1
		if diff := cmp.Diff(want, j.begun()); diff != "" {
			t.Errorf("how often partitions were run (-want +got):\n%s", diff)
		}
		if n := len(r.State().Owned); n != partitions-2 {
			t.Errorf("got %d partitions owned, want %d", n, partitions-2)
		}
	})
}

// A suspended partition stays owned. It runs again, once, when the coordinator answers.
func TestWhatIsSuspendedRunsAgain(t *testing.T) {
	virtual(t, func(t *testing.T, c *cluster) {
		j := newJournal(t)
		r := join(t, c.network.DialContext, c.settings(), j.run("a", 0))
		j.await(3*time.Second, "all on a", shared("a"))
		r.Suspend()
		if n := len(r.State().Owned); n != 0 {
			t.Errorf("got %d partitions that run, want none", n)
		}
		j.await(2*time.Second, "all on a again", shared("a"))
		<-time.After(time.Minute)
		if diff := cmp.Diff(all(2), j.begun()); diff != "" {
			t.Errorf("how often partitions were run (-want +got):\n%s", diff)
		}
	})
}

// With these answers the coordinator says that this replica is not the owner. Other
// answers leave that open (OffsetCommitResponse in Kafka's protocol guide).
func TestConfirmReadsTheCode(t *testing.T) {
	for code, no := range map[*kerr.Error]bool{
		kerr.IllegalGeneration: true, kerr.UnknownMemberID: true, kerr.FencedInstanceID: true,
		kerr.RebalanceInProgress: false, kerr.GroupAuthorizationFailed: false, kerr.UnknownTopicOrPartition: false,
	} {
		t.Run(code.Message, func(t *testing.T) {
			virtual(t, func(t *testing.T, c *cluster) {
				j := newJournal(t)
				join(t, c.network.DialContext, c.settings(), j.run("a", 0))
				j.await(3*time.Second, "all on a", shared("a"))
				fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: code, Count: -1})
				err := j.any("a").Confirm(t.Context())
				if !errors.Is(err, code) || isNotOwner(err) != no {
					t.Errorf("got %v, want %v, and that it says no: %t", err, code, no)
				}
				fault.Remove()
			})
		})
	}
}
