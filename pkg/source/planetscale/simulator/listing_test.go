package simulator_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

// visible is the ids of the log, in the order of the listing.
func visible(s *simulator.Server, o simulator.Order) []string {
	var ids []string
	for e := range s.Visible() {
		ids = append(ids, e.ID)
	}
	if o == simulator.NewestFirst {
		slices.Reverse(ids)
	}
	return ids
}

func TestWalkListsEverythingOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := simulator.Config{
			Seed:    rapid.Uint64().Draw(r, "seed"),
			Events:  rapid.IntRange(0, 300).Draw(r, "events"),
			Spacing: time.Duration(rapid.IntRange(1, 2000).Draw(r, "spacing")) * time.Millisecond,
			Rate:    rapid.SampledFrom([]float64{0, 0.5, 30}).Draw(r, "rate"),
			Order:   simulator.Order(rapid.IntRange(0, 1).Draw(r, "order")),
			SortKey: simulator.SortKey(rapid.IntRange(0, 1).Draw(r, "sort key")),
		}
		s, k := newServer(c)
		for range rapid.IntRange(0, 8).Draw(r, "edits") {
			edit(r, s, k)
		}
		want := visible(s, c.Order)
		var got []string
		for _, raw := range walk(t, s, rapid.IntRange(1, 120).Draw(r, "limit")) {
			got = append(got, idOf(t, raw))
		}
		if d := cmp.Diff(want, got); d != "" {
			r.Fatalf("listed ids differ from the log (-log +listed):\n%s", d)
		}
		if c.SortKey == simulator.ByCreatedAt {
			checkSorted(r, s)
		}
	})
}

// edit makes one change to the log of a server.
func edit(r *rapid.T, s *simulator.Server, k *clock) {
	ago := time.Duration(rapid.IntRange(0, 400_000).Draw(r, "ago")) * time.Millisecond
	switch rapid.IntRange(0, 6).Draw(r, "edit") {
	case 0:
		s.Append(rapid.IntRange(0, 150).Draw(r, "appended"))
	case 1:
		s.AppendTied(rapid.IntRange(0, 20).Draw(r, "tied"))
	case 2:
		s.Insert(simulator.Draft{Created: k.now.Add(-ago)})
	case 3:
		if ids := visible(s, simulator.OldestFirst); len(ids) > 0 {
			s.Delete(rapid.SampledFrom(ids).Draw(r, "deleted"))
		}
	case 4:
		s.Purge(k.now.Add(-ago))
	case 5:
		k.pass(time.Duration(rapid.IntRange(0, 10_000).Draw(r, "passed")) * time.Millisecond)
	case 6:
		for e := range s.Visible() {
			s.Insert(simulator.Draft{Created: e.Created})
			break
		}
	}
}

func checkSorted(r *rapid.T, s *simulator.Server) {
	var last time.Time
	for e := range s.Ever() {
		if e.Created.Before(last) {
			r.Fatalf("event %s of %v follows one of %v", e.ID, e.Created, last)
		}
		last = e.Created
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, limit := range []int{7, 100} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			c := simulator.Config{Seed: 42, Events: 500}
			one, _ := newServer(c)
			two, _ := newServer(c)
			got, want := slices.Concat(walk(t, one, limit)...), slices.Concat(walk(t, two, limit)...)
			if !slices.Equal(got, want) {
				t.Error("two servers differ")
			}
		})
	}
}
