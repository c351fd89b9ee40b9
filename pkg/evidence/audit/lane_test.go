package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// eventsOf returns the events of a log, the oldest first.
func eventsOf(s *simulator.Server) []simulator.Event {
	return slices.SortedFunc(s.Visible(), func(a, b simulator.Event) int { return a.Created.Compare(b.Created) })
}

func vanished(id string) string {
	return fmt.Sprintf("vanished %016x 1", audit.MarkOf(&source.Event{ID: id}).ID)
}

// TestPowerLossAtEachStepOfAnAudit loses the power around the step at which a lane delivers
// what its audit found.
func TestPowerLossAtEachStepOfAnAudit(t *testing.T) {
	for _, exact := range []bool{false, true} {
		around := 0
		for kill := -1; kill <= 12; kill++ {
			synctest.Test(t, func(t *testing.T) {
				l := newLife(simulator.New(simulator.Config{Seed: 5, Events: 400, Spacing: 7 * time.Minute, Rate: 1.0 / 300}))
				l.exact, l.every = exact, time.Hour
				l.run(10 * time.Minute)
				all := eventsOf(l.server)
				l.server.Delete(all[300].ID)
				late := []string{
					l.server.Insert(simulator.Draft{Created: all[200].Created.Add(time.Second)}),
					l.server.Insert(simulator.Draft{Created: all[250].Created.Add(time.Second)}),
				}
				if kill >= 0 {
					l.kills = []int{around - 6 + kill}
				}
				l.run(4 * time.Hour)
				if around == 0 {
					around = l.tellsAt
				}
				if len(l.kills) > 0 || l.faults != nil {
					t.Errorf("killed at step %d: the power did not fail, or %v", kill, l.faults)
				}
				if d := cmp.Diff([]string{vanished(all[300].ID)}, l.findings()); d != "" {
					t.Errorf("killed at step %d: findings (-want +got):\n%s", kill, d)
				}
				for _, id := range late {
					if n := l.got[id]; n == 0 || n > 2 || n > 1 && (exact || kill < 0) {
						t.Errorf("killed at step %d: a late event was delivered %d times", kill, n)
					}
				}
				for _, e := range eventsOf(l.server) {
					if l.got[e.ID] == 0 && time.Since(e.Listed) > time.Hour {
						t.Errorf("killed at step %d: event %s is lost", kill, e.ID)
					}
				}
			})
		}
	}
}

// TestLane finds what happened to a log in every order of listing.
func TestLane(t *testing.T) {
	for _, order := range []simulator.Order{simulator.NewestFirst, simulator.OldestFirst} {
		for _, key := range []simulator.SortKey{simulator.ByCreatedAt, simulator.ByInsertion} {
			for _, exact := range []bool{false, true} {
				if testing.Short() && (exact != (order == simulator.OldestFirst) || exact != (key == simulator.ByInsertion)) {
					continue
				}
				t.Run(fmt.Sprintf("%s by %s, exactly once %t", order, key, exact), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLife(simulator.New(simulator.Config{
							Seed: 3, Events: 1500, Spacing: 7 * time.Minute, Rate: 1.0 / 300, Order: order, SortKey: key,
						}))
						l.exact = exact
						l.run(time.Hour)
						all := eventsOf(l.server)
						gone, altered := all[900], all[700]
						l.server.Delete(gone.ID)
						l.server.Change(altered.ID, slices.Concat(altered.Raw[:len(altered.Raw)-1], []byte(`,"more":1}`)))
						late := l.server.Insert(simulator.Draft{Created: all[1100].Created.Add(time.Millisecond)})
						l.run(25 * time.Hour)
						if d := cmp.Diff([]string{"altered " + altered.ID + " 1", vanished(gone.ID)}, l.findings()); d != "" {
							t.Errorf("findings (-want +got):\n%s", d)
						}
						if l.got[late] != 1 || !l.late[late] {
							t.Errorf("the late event was delivered %d times, late %t", l.got[late], l.late[late])
						}
						if s := l.status(); s.Audits == nil || s.Audits.Missing != 1 || s.Audits.Vanished != 1 || s.Audits.Altered != 1 || s.Audits.Done != 1 {
							t.Errorf("got status %+v", s.Audits)
						}
						const line = `1 missing and delivered, 1 vanished, 1 altered","message":"audit done"`
						if log := l.log.String(); !strings.Contains(log, line) || !strings.Contains(log, `set overlap to 1h0m0s`) {
							t.Errorf("the log lacks %s, or the overlap to set:\n%s", line, log)
						}
						l.run(50 * time.Hour)
						if len(l.told) != 2 {
							t.Errorf("told again: %q", l.findings())
						}
						for id, n := range l.got {
							if n != 1 {
								t.Errorf("event %s was delivered %d times", id, n)
							}
						}
						if l.faults != nil {
							t.Error(l.faults)
						}
					})
				})
			}
		}
	}
}
