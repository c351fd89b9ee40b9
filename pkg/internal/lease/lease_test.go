package lease_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/internal/lease"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore"
	"github.com/sluice-siem/sluice/pkg/internal/objectstore/objectstoretest"
)

// inBubble runs f with a fleet that it need not stop.
func inBubble(t *testing.T, f func(t *testing.T, f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fleet := newFleet()
		f(t, fleet)
		fleet.stopAll()
		time.Sleep(time.Hour) // for requests that nobody waits for any more
		fleet.wantNoOverlap(t)
	})
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (f *fleet) wantShare(t *testing.T, when string, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, f.share()); diff != "" {
		t.Errorf("%s: -want +got:\n%s", when, diff)
	}
}

var nop = zerolog.Nop()

var six = []string{"s1", "s2", "s3", "s4", "s5", "s6"}

func TestAloneAReplicaHoldsAllAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", six...)
		after(0)
		f.wantShare(t, "at once", map[string]int{"a": 6})
		if got := a.State(); got.Err != nil || !slices.Equal(got.Held, six) {
			t.Errorf("got %+v", got)
		}
		after(time.Hour)
		f.wantShare(t, "after an hour", map[string]int{"a": 6})
	})
}

func TestReplicasShareEvenly(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.join("a", six...)
		after(time.Minute)
		b := f.join("b", six...)
		after(2 * round)
		f.wantShare(t, "with b", map[string]int{"a": 3, "b": 3})
		f.join("c", six...)
		after(2 * round)
		f.wantShare(t, "with c", map[string]int{"a": 2, "b": 2, "c": 2})
		before := f.running()
		after(time.Hour)
		if diff := cmp.Diff(before, f.running()); diff != "" {
			t.Errorf("sources moved for no reason:\n%s", diff)
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		b.done <- nil
		after(round + time.Second)
		f.wantShare(t, "after b left", map[string]int{"a": 3, "c": 3})
	})
}

func TestAnotherReplicaTakesOverFromOneThatDied(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", six...)
		f.join("b", six...)
		after(time.Minute)
		f.wantShare(t, "at first", map[string]int{"a": 3, "b": 3})
		a.kill()
		after(term - 2*round)
		f.wantShare(t, "before the lease ended", map[string]int{"b": 3})
		after(takeover)
		f.wantShare(t, "after it", map[string]int{"b": 6})
		a.line.mend()
		if a.State().Held != nil {
			t.Error("a replica holds sources that another one took over")
		}
	})
}

// All replicas of an installation may start anew after a power loss: the former ones left
// everything behind.
func TestSourcesOfReplicasThatAllDiedAreTakenOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.join("a", six...)
		f.join("b", six...)
		after(time.Minute)
		for _, r := range f.members {
			r.kill()
		}
		f.join("c", six...)
		after(takeover)
		f.wantShare(t, "afterwards", map[string]int{"c": 6})
	})
}

// A replica ends what it runs before others may take it over, and without an answer.
func TestAReplicaThatCannotReachTheStoreEndsInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", six...)
		after(time.Minute)
		a.slowly((&lease.Settings{Lease: term}).Patience())
		a.line.cut()
		f.join("b", six...)
		after(term)
		f.wantShare(t, "a lease later", nil2(f.share(), "a"))
		if err := a.State().Err; !errors.Is(err, errCut) {
			t.Errorf("got %v, want %v", err, errCut)
		}
		after(takeover - term)
		f.wantShare(t, "after the takeover", map[string]int{"b": 6})
		a.line.mend()
		after(3 * round)
		f.wantShare(t, "after a is back", map[string]int{"a": 3, "b": 3})
		if err := a.State().Err; err != nil {
			t.Error(err)
		}
		if text := a.log.String(); strings.Count(text, "the leases cannot be renewed") != 1 || !strings.Contains(text, "can be renewed again") {
			t.Errorf("log:\n%s", text)
		}
	})
}

// nil2 is what is shared without the one replica, which must have none.
func nil2(share map[string]int, without string) map[string]int {
	delete(share, without)
	return share
}

// A short failure is no reason to end anything.
func TestAShortFailureChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", six...)
		f.join("b", six...)
		after(time.Minute)
		before := f.running()
		for range 20 {
			a.line.cut()
			after(term/2 - time.Second)
			a.line.mend()
			after(round)
		}
		if diff := cmp.Diff(before, f.running()); diff != "" {
			t.Error(diff)
		}
	})
}

// A process that was stopped in the middle of a request wakes up in the belief that it holds
// its sources. Confirm says that it does not, and they end.
func TestAReplicaThatWasStoppedIsNotConfirmed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1")
		after(time.Minute)
		held := a.holding("s1")
		if err := held.Confirm(t.Context()); err != nil {
			t.Errorf("got %v, want the holder confirmed", err)
		}
		thaw := a.line.freeze()
		after(round) // Its next request stops it.
		f.mu.Lock()
		delete(f.runners, "s1") // It does not run while it is stopped.
		f.mu.Unlock()
		f.join("b", "s1")
		after(takeover)
		f.wantShare(t, "while a is stopped", map[string]int{"b": 1})
		a.line.mu.Lock()
		a.line.frozen = nil
		a.line.mu.Unlock()
		if err := held.Confirm(t.Context()); !errors.Is(err, lease.ErrNotHolder) {
			t.Errorf("got %v, want %v", err, lease.ErrNotHolder)
		}
		thaw()
		after(time.Second)
		if got := a.State().Held; got != nil {
			t.Errorf("it still holds %q", got)
		}
		after(time.Hour)
		f.wantShare(t, "later", map[string]int{"b": 1})
	})
}

// A renewal that arrives at the last moment keeps nothing that lapsed.
func TestALateAnswerResumesNoLease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1")
		after(time.Minute)
		first := a.holding("s1")
		a.line.slow(func() (time.Duration, time.Duration) { return 0, term })
		after(2 * term)
		a.line.slow(nil)
		after(2 * round)
		if again := a.holding("s1"); again == first {
			t.Error("the source was not taken anew")
		}
		if err := first.Confirm(t.Context()); !errors.Is(err, lease.ErrNotHolder) {
			t.Errorf("got %v, want %v", err, lease.ErrNotHolder)
		}
		f.wantShare(t, "later", map[string]int{"a": 1})
	})
}

func TestSourcesMayComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1", "s2")
		f.join("b", "s1") // has an older configuration
		after(time.Minute)
		if got := f.running(); got["s2"] != "a" || got["s1"] != "b" {
			t.Errorf("got %v", got)
		}
		a.follow("s2", "s3", "s4")
		after(2 * round)
		if got := f.running(); got["s3"] != "a" || got["s4"] != "a" || len(got) != 4 {
			t.Errorf("with more sources: %v", got)
		}
		a.follow("s1")
		after(2 * round)
		if got := f.running(); got["s1"] != "b" || len(got) != 1 {
			t.Errorf("with fewer: %v", got)
		}
	})
}

// A replica that should take a source and does not is no reason for nobody to run it.
func TestAFreeSourceIsNotLeftToAReplicaThatDoesNotTakeIt(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1")
		after(time.Minute)
		b := f.join("b", "s1", "s2")
		b.line.onlyRead(true)
		a.follow("s1", "s2")
		after(takeover)
		f.wantShare(t, "then", map[string]int{"a": 2})
		after(2 * time.Minute)
		f.wantShare(t, "still", map[string]int{"a": 2})
		b.line.onlyRead(false)
		after(10 * term)
		f.wantShare(t, "at last", map[string]int{"a": 1, "b": 1})
	})
}

func TestAnErrorOfRunEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lease.Settings{Store: objectstoretest.New(), Root: root, Lease: term, Name: "a"}
		wrong := errors.New("wrong")
		err := lease.New(s, nop).Run(t.Context(), func() []string { return six }, func(ctx context.Context, h *lease.Held) error {
			if h.Source == "s4" {
				return wrong
			}
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, wrong) {
			t.Errorf("got %v, want %v", err, wrong)
		}
	})
}

// Two replicas that do not see each other yet take the same sources. One of them succeeds.
func TestOfTwoWhoTakeASourceOneSucceeds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		always := func(d time.Duration) func() (there, back time.Duration) {
			return func() (time.Duration, time.Duration) { return d, 0 }
		}
		f.join("a", six...).line.slow(always(time.Second))
		time.Sleep(2400 * time.Millisecond) // a has read that all are free
		f.join("b", six...).line.slow(always(time.Second / 10))
		after(time.Minute)
		f.wantShare(t, "then", map[string]int{"a": 3, "b": 3})
	})
}

// put writes a lease as another replica would.
func (f *fleet) put(t *testing.T, source string, epoch int64) {
	t.Helper()
	o := objectstore.Object{Body: fmt.Appendf(nil, `{"epoch":%d,"holder":"other","name":"other"}`, epoch)}
	if err := f.store.Create(t.Context(), fmt.Sprintf("%s/leases/%s/%012d.json", root, source, epoch), o); err != nil {
		t.Error(err)
	}
}

// Should another replica create the next epoch, however that came about, it holds the source.
func TestANewerEpochEndsAnOlderOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1")
		after(time.Minute)
		f.put(t, "s1", 2)
		if err := a.holding("s1").Confirm(t.Context()); !errors.Is(err, lease.ErrNotHolder) {
			t.Errorf("got %v, want %v", err, lease.ErrNotHolder)
		}
		after(round)
		f.wantShare(t, "after a round", map[string]int{})
		after(takeover)
		f.wantShare(t, "a lease later", map[string]int{"a": 1})
	})
}

// A replica that was stopped before it creates an epoch may create one that others have
// passed and deleted long ago.
func TestAnEpochThatOthersPassedMeansNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1")
		a.line.meddle(func() { f.put(t, "s1", 7) })
		after(time.Second)
		f.wantShare(t, "at first", map[string]int{})
		after(takeover)
		f.wantShare(t, "a lease later", map[string]int{"a": 1})
	})
}

// The lease counts from the request, since others may see it from then on.
func TestALeaseCountsFromTheRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a := f.join("a", "s1")
		after(time.Minute)
		f.join("b", "s1")
		a.slowly((&lease.Settings{Lease: term}).Patience())
		a.line.slow(func() (time.Duration, time.Duration) { return 0, round - time.Second })
		after(3 * round)
		a.line.cut()
		after(takeover)
		f.wantShare(t, "then", map[string]int{"b": 1})
	})
}

// What is left behind does not grow.
func TestOldObjectsAreDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.join("a", six...)
		for i := range 10 {
			r := f.join(fmt.Sprint("b", i), six...)
			after(time.Minute)
			r.kill()
			after(takeover)
		}
		after(11 * term)
		if keys := f.store.Keys(); len(keys) != 1+len(six) {
			t.Errorf("got %q, want one replica and a lease of each source", keys)
		}
	})
}

func TestWhatACommandSees(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		s := lease.Settings{Store: f.store, Root: root, Lease: term}
		found, err := lease.Look(t.Context(), s)
		if err != nil || found.Recent != 0 || len(found.Holders) != 0 {
			t.Errorf("before: %+v, %v", found, err)
		}
		f.join("a", "s1", "s2")
		b := f.join("b", "s1", "s2")
		after(time.Minute)
		found, err = lease.Look(t.Context(), s)
		if diff := cmp.Diff(f.running(), found.Holders); err != nil || diff != "" || found.Recent != 2 {
			t.Errorf("got %+v, %v; -want +got:\n%s", found, err, diff)
		}
		b.kill()
		after(3 * term)
		if found, err = lease.Look(t.Context(), s); err != nil || found.Recent != 1 {
			t.Errorf("after b died: %+v, %v", found, err)
		}
	})
}

// TestIdleRequests holds docs/replicas-s3.md to what an idle replica asks of the store.
func TestIdleRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		for _, name := range []string{"a", "b", "c"} {
			f.join(name, six...)
		}
		after(10 * time.Minute)
		asked := func() (n [4]int) {
			for i, op := range []objectstoretest.Op{objectstoretest.Put, objectstoretest.List, objectstoretest.Read, objectstoretest.Create} {
				n[i] = f.store.Asked(op)
			}
			return n
		}
		before := asked()
		after(time.Hour)
		got := asked()
		for i := range got {
			got[i] -= before[i]
		}
		// Of three replicas: a renewal, a list, and a read of the two others each 10 s.
		if want := [4]int{3 * 360, 3 * 360, 3 * 2 * 360, 0}; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
