package planetscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestALogThatWasEmptiedMayBeCutAgain purges a log twice. The first purge leaves nothing,
// so the lane knows no event that could be missing later.
func TestALogThatWasEmptiedMayBeCutAgain(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(_ *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		f.server.Purge(time.Now())
		f.run(time.Minute)
		f.wantGaps(1)
		f.crash()
		time.Sleep(15 * time.Minute)
		f.server.Append(16)
		time.Sleep(15 * time.Minute)
		f.server.Purge(time.Now().Add(-time.Minute))
		f.server.Append(100)
		f.run(time.Minute)
		f.wantGaps(2)
	})
}

// TestAnEmptyLogShowsNoReach stops a lane twice after its log was emptied. The events of
// the first purge do not show how far the log reaches later.
func TestAnEmptyLogShowsNoReach(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(_ *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(time.Hour)
		f.server.Purge(time.Now())
		f.run(3 * time.Hour)
		f.wantGaps(1)
		f.crash()
		time.Sleep(30 * time.Minute)
		f.run(time.Minute)
		f.wantGaps(2)
		f.crash()
		time.Sleep(15 * time.Minute)
		f.server.Append(16)
		time.Sleep(15 * time.Minute)
		f.server.Purge(time.Now().Add(-time.Minute))
		f.server.Append(1)
		f.run(time.Minute)
		f.wantGaps(3)
	})
}

// TestAnEmptyLogThatIsFollowedTellsNoMoreGaps polls at intervals longer than overlap.
func TestAnEmptyLogThatIsFollowedTellsNoMoreGaps(t *testing.T) {
	for _, order := range orders {
		t.Run(order.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := defaults
				s.PollInterval = setting.Duration(15 * time.Minute)
				f := follow(t, simulator.New(simulator.Config{Events: 50, Order: order}), s)
				defer f.close()
				f.run(time.Minute)
				f.crash()
				time.Sleep(4 * time.Hour)
				f.server.Purge(time.Now())
				f.run(5 * time.Hour)
				f.wantGaps(1)
			})
		})
	}
}

// TestWhatIsOlderThanTheEdgeIsMissedToo purges a log twice. The newest event that the
// lane saw is older than the edge that the first purge left, and the second purge removes
// it.
func TestWhatIsOlderThanTheEdgeIsMissedToo(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(_ *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(4 * time.Hour)
		f.server.Append(3)
		time.Sleep(time.Hour)
		f.server.Purge(time.Now().Add(-2 * time.Hour))
		f.run(5 * time.Minute)
		f.wantGaps(1)
		f.crash()
		time.Sleep(20 * time.Minute)
		f.server.Append(10)
		time.Sleep(10 * time.Minute)
		f.server.Purge(time.Now().Add(-time.Minute))
		f.server.Append(1)
		f.run(5 * time.Minute)
		f.wantGaps(2)
	})
}

// TestALateEventThatIsCutIsTold purges a log between two late events. They were listed
// after the last walk began, but are older than it.
func TestALateEventThatIsCutIsTold(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(_ *testing.T, f *follower) {
		start := time.Now()
		f.run(10 * time.Minute)
		f.crash()
		time.Sleep(time.Minute)
		f.server.Insert(simulator.Draft{Created: start.Add(4 * time.Minute)})
		f.server.Insert(simulator.Draft{Created: start.Add(6 * time.Minute)})
		f.server.Purge(start.Add(5 * time.Minute))
		f.run(5 * time.Minute)
		f.wantGaps(1)
	})
}

// TestTheOnlyEventIsMissedAfterAStop purges a log of which the lane knows one event.
// Perhaps only that event was deleted, but nobody knows.
func TestTheOnlyEventIsMissedAfterAStop(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 1}, func(_ *testing.T, f *follower) {
		f.run(time.Minute)
		f.crash()
		time.Sleep(15 * time.Minute)
		f.server.Append(10)
		time.Sleep(15 * time.Minute)
		f.server.Purge(time.Now().Add(-time.Minute))
		f.server.Append(1)
		f.run(time.Minute)
		f.wantGaps(1)
	})
}

// TestAGapThatWasNoneHidesNoOther sends answers that wrongly show an empty log. What
// seemed to be gone is listed again, so it is missed when it is really gone.
func TestAGapThatWasNoneHidesNoOther(t *testing.T) {
	eachOrder(t, "", simulator.Config{Events: 50}, func(_ *testing.T, f *follower) {
		f.run(10 * time.Minute)
		first := f.server.RequestCount()
		f.server.Script(func(r simulator.Request) simulator.Fault {
			if r.N > first+2 {
				return simulator.Fault{}
			}
			return simulator.Fault{Alter: func(p *simulator.Listing) { *p = simulator.Listing{} }}
		})
		f.crash()
		f.run(2 * time.Hour)
		f.wantGaps(1)
		f.crash()
		time.Sleep(10 * time.Minute)
		f.server.Append(10)
		time.Sleep(10 * time.Minute)
		f.server.Purge(time.Now().Add(-time.Minute))
		f.server.Append(1)
		f.run(5 * time.Minute)
		f.wantGaps(2)
	})
}
