package simulator_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

func count(s *simulator.Server) int { return len(visible(s, simulator.OldestFirst)) }

func TestRateFollowsTheClock(t *testing.T) {
	for _, rate := range []float64{0.01, 2, 5_000} {
		t.Run(fmt.Sprint(rate, " a second"), func(t *testing.T) {
			s, k := newServer(simulator.Config{Events: 100, Rate: rate})
			step := time.Duration(100 / rate * float64(time.Second))
			for passed := range 4 {
				// A tie brings up to five events in advance of their time.
				if got, want := count(s), 100+100*passed; got < want || got > want+5 {
					t.Errorf("after %v: got %d events, want %d", time.Duration(passed)*step, got, want)
				}
				k.pass(step)
			}
		})
	}
}

func TestRateMakesNoEventLate(t *testing.T) {
	s, k := newServer(simulator.Config{Rate: 0.01})
	const step = 10 * time.Second
	known := 0
	for i := range 2_000 {
		k.pass(step)
		if i%5 == 0 {
			s.Append(1) // A run of ties that is broken off makes none late either.
		}
		all := slices.Collect(s.Visible())
		for _, e := range all[known:] {
			if late := k.now.Sub(e.Created); late < 0 || late > step+2*time.Second {
				t.Fatalf("an event of %v appears by %v", e.Created, k.now)
			}
		}
		known = len(all)
	}
	if known < 150 {
		t.Errorf("got %d events, want about 200", known)
	}
}

func TestTimesNeverDecrease(t *testing.T) {
	s, k := newServer(simulator.Config{Rate: 1, SortKey: simulator.ByInsertion})
	for range 500 {
		k.pass(130 * time.Millisecond)
		s.Append(1)
	}
	var last time.Time
	for e := range s.Ever() {
		if e.Created.Before(last) {
			t.Fatalf("event of %v follows one of %v", e.Created, last)
		}
		last = e.Created
	}
}

func TestRatesBeyondReason(t *testing.T) {
	for rate, want := range map[float64]int{-1: 5, 1e-300: 5, 1e300: 5 + 1_000} {
		s, k := newServer(simulator.Config{Events: 5, Rate: rate})
		k.pass(time.Microsecond)
		if got := count(s); got < want || got > want+5 {
			t.Errorf("%g a second: got %d events after a microsecond, want %d", rate, got, want)
		}
	}
}

func TestTimesAreSpread(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 1_000, Spacing: time.Minute})
	all := slices.Collect(s.Visible())
	if newest := all[999].Created; newest.After(k.now) || newest.Before(k.now.Add(-5*time.Minute)) {
		t.Errorf("the newest event is of %v, want about %v", newest, k.now)
	}
	if got := k.now.Sub(all[0].Created).Round(time.Hour); got != 17*time.Hour {
		t.Errorf("the log reaches back %v, want 17h", got)
	}
}

func TestAppend(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 10})
	k.pass(time.Minute)
	ids := s.Append(300)
	all := slices.Collect(s.Visible())[10:]
	var got []string
	for _, e := range all {
		got = append(got, e.ID)
	}
	if d := cmp.Diff(ids, got); d != "" {
		t.Errorf("appended ids (-returned +listed):\n%s", d)
	}
	first, last := all[0].Created, all[299].Created
	if last.After(k.now) || k.now.Sub(first) > time.Second || !last.After(first) {
		t.Errorf("got events from %v to %v, want them spread over the second before %v", first, last, k.now)
	}
	s.AppendTied(50)
	all = slices.Collect(s.Visible())[310:]
	if first, last := all[0].Created, all[49].Created; !first.Equal(last) {
		t.Errorf("got events from %v to %v, want all at one time", first, last)
	}
}

func TestRetention(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 200, Spacing: time.Minute, Retention: time.Hour})
	k.pass(30 * time.Minute)
	for e := range s.Ever() {
		if e.Gone.IsZero() && k.now.Sub(e.Created) > time.Hour+time.Millisecond {
			t.Errorf("event of %v is there at %v", e.Created, k.now)
		}
		if late := e.Gone.Sub(e.Created); !e.Gone.IsZero() && (late < time.Hour || late > time.Hour+time.Millisecond) {
			t.Errorf("event of %v went at %v, want an hour later", e.Created, e.Gone)
		}
	}
	if got := len(slices.Collect(s.Ever())); got < 59 || got > 66 {
		t.Errorf("%d events were ever visible, want those of the first hour, about 60", got)
	}
	if got, want := len(walk(t, s, 100)), count(s); got != want || got > 35 {
		t.Errorf("listed %d events of %d, want about 30", got, want)
	}
	k.pass(24 * time.Hour)
	checkCursors(t, list(t, s, nil), nil)
	if n := len(s.Append(3)); n != count(s) {
		t.Errorf("got %d events after a quiet day, want %d", count(s), n)
	}
}

func TestInsertLate(t *testing.T) {
	for key, wantTop := range map[simulator.SortKey]bool{simulator.ByCreatedAt: false, simulator.ByInsertion: true} {
		t.Run("ordered by "+key.String(), func(t *testing.T) {
			s, k := newServer(simulator.Config{Events: 100, SortKey: key})
			id := s.Insert(simulator.Draft{Created: k.now.Add(-30 * time.Second)})
			ids := visible(s, simulator.NewestFirst)
			at := slices.Index(ids, id)
			if top := at == 0; top != wantTop || at < 0 || at > 40 {
				t.Errorf("the late event stands at %d, on top: want %v", at, wantTop)
			}
			s.Append(1)
			if visible(s, simulator.NewestFirst)[0] == id {
				t.Error("a newer event stands below the late one")
			}
		})
	}
}

// TestListedIsWhenAnEventBecameVisible looks at a log each tenth of a second.
func TestListedIsWhenAnEventBecameVisible(t *testing.T) {
	const step = 100 * time.Millisecond
	s, k := newServer(simulator.Config{Events: 10, Rate: 0.7})
	first := map[string]time.Time{}
	for _, id := range visible(s, simulator.NewestFirst) {
		first[id] = k.now
	}
	for i := range 300 {
		k.pass(step)
		if i%100 == 50 {
			s.Append(20)
		}
		for _, id := range visible(s, simulator.NewestFirst) {
			if first[id].IsZero() {
				first[id] = k.now
			}
		}
	}
	for e := range s.Ever() {
		if seen := first[e.ID]; e.Listed.After(seen) || seen.Sub(e.Listed) >= step && !e.Listed.Equal(e.Created) {
			t.Errorf("event of %s was seen at %s first, told as listed at %s", e.Created, seen, e.Listed)
		}
	}
}

func TestInsertForLater(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 10, Rate: 1})
	created := k.now.Add(5 * time.Second)
	raw := []byte(`"not an event"`)
	id := s.Insert(simulator.Draft{ID: "handmade", Created: created, Listed: k.now.Add(time.Minute), Raw: raw})
	k.pass(time.Minute - 1)
	if slices.Contains(visible(s, simulator.NewestFirst), id) {
		t.Error("the event is visible early")
	}
	k.pass(1)
	body := ask(t, s, path+"?limit=100").body
	if !bytes.Contains(body, append([]byte(","), raw...)) {
		t.Error("the event is not listed as it was made")
	}
	for e := range s.Ever() {
		if e.ID == id && (!e.Created.Equal(created.Truncate(time.Millisecond)) || !e.Listed.Equal(k.now)) {
			t.Errorf("got created %v, listed %v; want %v, %v", e.Created, e.Listed, created, k.now)
		}
	}
	if got := skim(t, ask(t, s, path+"?starting_after="+id)); got.end == "" {
		t.Error("nothing follows the id of the event")
	}
}

func TestInsertForAMomentThatWasPassedOver(t *testing.T) {
	s, k := newServer(simulator.Config{Rate: 1, SortKey: simulator.ByInsertion})
	id := s.Insert(simulator.Draft{Listed: k.now.Add(30 * time.Second)})
	k.pass(time.Minute)
	if at := slices.Index(visible(s, simulator.OldestFirst), id); at < 29 || at > 36 {
		t.Errorf("the event stands behind %d others, want the 30 that came before it", at)
	}
}

func TestDeleteAndChange(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 30})
	late := s.Insert(simulator.Draft{Created: k.now.Add(-10 * time.Second)})
	ids := visible(s, simulator.NewestFirst)
	before := ask(t, s, path).body
	for _, id := range []string{ids[3], late} {
		if !s.Change(id, []byte(`{"id":"changed"}`)) {
			t.Errorf("event %s cannot be changed", id)
		}
	}
	changed := ask(t, s, path).body
	if got := bytes.Count(changed, []byte(`{"id":"changed"}`)); got != 2 {
		t.Errorf("got %d changed events in the page, want 2", got)
	}
	k.pass(time.Second)
	for _, id := range []string{ids[3], late} {
		if !s.Delete(id) || s.Delete(id) || s.Change(id, nil) {
			t.Errorf("event %s can be deleted other than once, or changed afterwards", id)
		}
	}
	gone := 0
	for e := range s.Ever() {
		if e.Gone.IsZero() {
			continue
		}
		gone++
		if len(e.Former) != 1 || !bytes.Contains(before, e.Former[0]) || !e.Gone.Equal(k.now) {
			t.Errorf("event %s: got former bytes %q, gone %v; want those first listed, %v", e.ID, e.Former, e.Gone, k.now)
		}
	}
	if got := len(walk(t, s, 7)); gone != 2 || got != 29 {
		t.Errorf("got %d gone and %d listed, want 2 and 29", gone, got)
	}
}

func TestPageShowsOneInsertedEventInPlaceOfAnother(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 30})
	created := k.now.Add(-10 * time.Second)
	for _, raw := range []string{`"one"`, `"other"`} {
		id := s.Insert(simulator.Draft{Created: created, Raw: []byte(raw)})
		if body := ask(t, s, path+"?limit=100").body; !bytes.Contains(body, []byte(raw)) {
			t.Errorf("the page does not hold %s", raw)
		}
		s.Delete(id)
	}
}

func TestDraftIsAnEventOfItsID(t *testing.T) {
	s, k := newServer(simulator.Config{})
	for _, want := range []string{"", "handmade0000", "longer than an id"} {
		id := s.Insert(simulator.Draft{ID: want, Created: k.now.Add(-time.Hour)})
		e := slices.Collect(s.Visible())[len(visible(s, simulator.OldestFirst))-1]
		if got := idOf(t, e.Raw); got != id || e.ID != id || want != "" && id != want {
			t.Errorf("got id %q in the event, %q in the log, %q returned; want %q", got, e.ID, id, want)
		}
		s.Delete(id)
	}
	d := s.Draft(k.now.Add(-time.Minute))
	if got := idOf(t, d.Raw); got != d.ID || !d.Created.Equal(k.now.Add(-time.Minute)) {
		t.Errorf("got a draft of id %q with %q in its bytes, created %v", d.ID, got, d.Created)
	}
}

func TestPurge(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 100})
	ids := s.Append(1)
	s.Purge(k.now.Add(time.Hour))
	for _, id := range visible(s, simulator.NewestFirst) {
		if !slices.Contains(ids, id) {
			t.Errorf("event %s survived", id)
		}
	}
	k.pass(time.Second)
	s.Append(5)
	if got := count(s); got < 5 || got > 6 {
		t.Errorf("got %d events, want the 5 that came after", got)
	}
}

func TestWhatGoesTwiceWentTheFirstTime(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 2, Spacing: time.Minute, Retention: time.Hour})
	ids := visible(s, simulator.OldestFirst)
	deleted := k.now
	s.Delete(ids[0])
	k.pass(time.Minute)
	purged := k.now
	s.Purge(k.now)
	k.pass(24 * time.Hour)
	var got []time.Time
	for e := range s.Ever() {
		got = append(got, e.Gone)
	}
	if d := cmp.Diff([]time.Time{deleted, purged}, got); d != "" {
		t.Errorf("times of going (-want +got):\n%s", d)
	}
}

func TestRequestLog(t *testing.T) {
	s, k := newServer(simulator.Config{Events: 60})
	walk(t, s, 30)
	k.pass(time.Second)
	walk(t, s, 60)
	type told struct {
		N, Limit, Ends int
		First, Again   bool
	}
	var got []told
	for _, r := range s.Requests() {
		got = append(got, told{r.N, r.Limit, r.Ends, r.StartingAfter == "", r.Again})
	}
	want := []told{{1, 30, 0, true, false}, {2, 30, 0, false, false}, {3, 60, 1, true, true}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	if got, want := s.Requests()[2].Time, k.now; !got.Equal(want) {
		t.Errorf("got time %v, want %v", got, want)
	}
	if got := s.RequestCount(); got != 3 {
		t.Errorf("got %d requests, want 3", got)
	}
}

func TestRequestLogIsBounded(t *testing.T) {
	s, _ := newServer(simulator.Config{})
	const asked = 140_000
	for range asked {
		ask(t, s, path)
	}
	requests := s.Requests()
	if n := len(requests); n < 65_536 || n > 131_072 {
		t.Errorf("got %d requests, want at least 65,536 and at most twice that", n)
	}
	if last := requests[len(requests)-1]; last.N != asked || !last.Again || last.Status != 200 || s.RequestCount() != asked {
		t.Errorf("got %+v as the last of %d", last, asked)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := simulator.New(simulator.Config{Events: 500, Rate: 1_000, Retention: time.Minute})
	s.Script(func(r simulator.Request) simulator.Fault {
		s.Insert(simulator.Draft{Created: r.Time.Add(-time.Second)})
		return simulator.Fault{}
	})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				page, ok := skimIfPage(ask(t, s, path+"?limit=100"))
				if !ok {
					t.Error("the answer is no page")
				}
				s.Append(3)
				s.Delete(page.end)
				ask(t, s, path+"?limit=10&starting_after="+page.end)
				s.Change(s.AppendTied(1)[0], []byte(`{}`))
				s.Purge(time.Now().Add(-time.Hour))
				count(s)
			}
		})
	}
	all.Wait()
	if got, want := s.RequestCount(), 4*20*2; got != want {
		t.Errorf("got %d requests, want %d", got, want)
	}
}
