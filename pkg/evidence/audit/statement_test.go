package audit_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// TestStatements adds up the statements of four days, over restarts.
func TestStatements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(simulator.New(simulator.Config{Seed: 3, Events: 900, Spacing: 7 * time.Minute, Rate: 1.0 / 600}))
		l.evidence = newWriter()
		l.filter = func(id string) bool { return id[0]%5 == 0 }
		l.reject = func(id string) bool { return id[0]%5 == 1 && id[1]%4 == 0 }
		for range 4 {
			l.run(17 * time.Hour)
			l.server.Insert(simulator.Draft{Created: time.Now().Add(-20 * time.Minute)}) // late
			l.server.Insert(simulator.Draft{Created: time.Now().Add(-40 * time.Hour)})   // missing
		}
		l.run(28*time.Hour + 2*time.Minute)
		var sum evidence.Day
		days := 0
		for _, n := range l.notes {
			d := n.Day
			if (n.Kind == evidence.Statement) != (d != nil) {
				t.Fatalf("a note of the kind %s states %+v", n.Kind, d)
			}
			if d == nil {
				continue
			}
			began := time.Date(2000, 1, 1+days, 0, 0, 0, 0, time.UTC)
			days++
			if d.From.Sub(began) > 2*time.Minute || n.Time.Sub(began.AddDate(0, 0, 1)).Abs() > 2*time.Minute {
				t.Errorf("statement %d is about %s to %s", days, d.From, n.Time)
			}
			if len(n.Tags) > 0 || d.Notes < 200 {
				t.Errorf("statement %d covers %d records, and counts %d notes", days, len(n.Tags), d.Notes)
			}
			sum.Listed, sum.Delivered, sum.Filtered, sum.Rejected = sum.Listed+d.Listed, sum.Delivered+d.Delivered, sum.Filtered+d.Filtered, sum.Rejected+d.Rejected
			sum.Late, sum.Gaps, sum.Audit = sum.Late+d.Late, sum.Gaps+d.Gaps, d.Audit
		}
		if days != 4 {
			t.Fatalf("got %d statements, want four", days)
		}
		delivered := uint64(0)
		for id := range l.got {
			if !strings.HasPrefix(id, "note:") {
				delivered++
			}
		}
		if sum.Delivered != delivered || sum.Rejected != uint64(len(l.letters)) || sum.Listed != sum.Delivered+sum.Filtered+sum.Rejected || sum.Filtered == 0 || sum.Rejected == 0 {
			t.Errorf("the statements add up to %+v, %d were delivered and %d rejected", sum, delivered, len(l.letters))
		}
		if sum.Late < 4 || sum.Gaps != 0 || !strings.Contains(sum.Audit, "missing and delivered") {
			t.Errorf("the statements add up to %+v", sum)
		}
		if l.faults != nil {
			t.Error(l.faults)
		}
	})
}
