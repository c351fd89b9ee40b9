package console_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/admin/console"
	"github.com/sluice-siem/sluice/pkg/internal/footprint"
	"github.com/sluice-siem/sluice/pkg/source"
)

// plenty is room for all events of a test.
const plenty = 8 << 20

// nextHour waits for the beginning of an hour, so that a test knows what an hour holds.
func nextHour() time.Time {
	now := time.Now()
	time.Sleep(now.Truncate(time.Hour).Add(time.Hour).Sub(now))
	return time.Now().UTC()
}

// event returns an event of Ada's.
func event(id string, at time.Time) source.Event {
	return source.Event{
		ID: id, Time: at, Read: at, Organization: "acme", Action: "branch.created",
		Actor: source.Party{ID: "u1", Type: "User", Name: "Ada"}, RemoteIP: "203.0.113.7", Location: "Oslo",
		Objects: [2]source.Party{{ID: "b1", Type: "Branch", Name: "main"}},
		Raw:     []byte(`{"id":"` + id + `","metadata":{"note":"Deep Water"}}`),
	}
}

func observer(a *console.Activity, src string) func(...source.Event) {
	observe := a.Observer(src, nil)
	return func(events ...source.Event) { observe(events, true) }
}

// counted returns what the hours of a source count together.
func counted(a *console.Activity, src string) (events int) {
	for _, h := range a.Hours(src, time.Now()) {
		events += h.Events
	}
	return events
}

func keys(list []console.Kept) (ids []string) {
	for _, k := range list {
		ids = append(ids, k.Event.ID)
	}
	return ids
}

func TestEachEventIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		events := []source.Event{event("1", now.Add(-3*time.Hour)), event("2", now.Add(-2*time.Hour)), event("3", now)}
		siem, lake, other := observer(a, "acme"), observer(a, "acme"), observer(a, "other")
		siem(events...)
		lake(events...)
		siem(events[1:]...) // The lane restarted.
		other(events...)    // These have the same ids, and are not the same.
		for src, want := range map[string]int{"acme": 3, "other": 3, "": 6, "unknown": 0} {
			if got := counted(a, src); got != want {
				t.Errorf("of source %q %d events are counted, want %d", src, got, want)
			}
			if got := len(a.Recent(src, "", 100)); got != want {
				t.Errorf("of source %q %d events are kept, want %d", src, got, want)
			}
		}
		hours := a.Hours("acme", now)
		if len(hours) != 168 || !hours[167].Begin.Equal(now) || hours[164].Events != 1 || hours[165].Events != 1 || hours[166].Events != 0 || hours[167].Events != 1 {
			t.Errorf("hours end with %+v", hours[164:])
		}
	})
}

// What the process does not know must not look like a quiet hour.
func TestHoursTellWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		time.Sleep(30 * time.Minute)
		siem := observer(a, "acme")
		hours := a.Hours("acme", time.Now())
		if hours[166].Known || !hours[167].Known || !hours[167].More {
			t.Errorf("after the start %+v, want that the hour of the start is known in part", hours[166:])
		}
		late := event("0", now.Add(-9*time.Hour))
		late.Late = true
		siem(late, event("1", now.Add(-150*time.Minute)), event("2", now))
		hours = a.Hours("acme", time.Now())
		if hours[163].Known || !hours[164].Known || !hours[164].More || !hours[165].Known || hours[165].More || !hours[167].Known || hours[167].More {
			t.Errorf("after the first events %+v, want to know the hours since the oldest that is not late", hours[163:])
		}
		observer(a, "other")
		if hours := a.Hours("", time.Now()); hours[166].Known || !hours[167].Known {
			t.Errorf("of all sources %+v, want to know only what is known of each", hours[166:])
		}
		if hours := a.Hours("unknown", time.Now()); hours[167].Known {
			t.Error("an hour of a source that nobody reads is known")
		}
		time.Sleep(7 * 24 * time.Hour)
		if hours := a.Hours("acme", time.Now()); hours[0].Events != 0 || !hours[0].Known || counted(a, "acme") != 0 {
			t.Errorf("after a week %+v, want the events forgotten", hours[0])
		}
	})
}

func TestActivityWithoutRoomForgetsTheOldestHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(64<<10), nextHour()
		siem := observer(a, "acme")
		const perHour, hours = 200, 100
		id := func(hour, i int) string { return fmt.Sprintf("%d.%d", hour, i) }
		read := func() {
			for h := range hours {
				for i := range perHour {
					siem(event(id(h, i), now.Add(time.Duration(h-hours+1)*time.Hour)))
				}
			}
		}
		read()
		read() // All are read again.
		list := a.Hours("acme", now)
		first := slices.IndexFunc(list, func(h console.Hour) bool { return h.Known })
		if first < 168-hours+1 || first > 166 {
			t.Fatalf("hour %d is the first that is known, want some to be forgotten and some not", first)
		}
		for i, h := range list {
			want := 0
			if i >= first {
				want = perHour
			}
			if h.Events != want || h.Known != (i >= first) || h.More {
				t.Errorf("hour %d is %+v, want %d events", i, h, want)
			}
		}
	})
}

func TestActivityTellsOfAnHourThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(64<<10), nextHour()
		siem := observer(a, "acme")
		siem(event("first", now.Add(-time.Hour)))
		const events = 20_000
		for range 2 {
			for i := range events {
				siem(event(fmt.Sprint(i), now))
			}
		}
		h := a.Hours("acme", now)[167]
		if !h.More || !h.Known || h.Events < 1000 || h.Events >= events {
			t.Errorf("the hour is %+v, want some events of %d, and that there are more", h, events)
		}
		newest := event("newest", now.Add(time.Second))
		if siem(newest); a.Recent("", "", 1)[0].Event.ID != "newest" {
			t.Error("an event of that hour is not among the newest")
		}
		time.Sleep(time.Hour)
		siem(event("next", time.Now()))
		if list := a.Hours("acme", time.Now()); list[167].Events != 1 || list[167].More || !list[166].More {
			t.Errorf("the next hour is %+v after %+v", list[167], list[166])
		}
	})
}

func TestOddTimesDecideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		siem := observer(a, "acme")
		undated, future, past := event("undated", time.Time{}), event("future", now.AddDate(80, 0, 0)), event("past", time.Unix(-1<<60, 0))
		undated.Read, future.Read, past.Read = now.Add(-2*time.Minute), now.Add(-time.Minute), now.AddDate(0, 0, -8)
		siem(undated, future, past, event("1", now.Add(-3*time.Minute)), event("2", now))
		if got := counted(a, "acme"); got != 2 {
			t.Errorf("%d events are counted, want 2", got)
		}
		if got, want := keys(a.Recent("", "", 100)), []string{"2", "future", "undated", "1"}; !slices.Equal(got, want) {
			t.Errorf("the newest events are %q, want %q", got, want)
		}
		if hours := a.Hours("acme", now); hours[100].Known {
			t.Error("an odd time decides from when on the hours are known")
		}
	})
}

// A clock that was wrong, and was put right, must not end the counting.
func TestActivityAfterTheClockWasPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		siem := observer(a, "acme")
		a.Hours("", now.AddDate(1, 0, 0))
		siem(event("1", now))
		siem(event("1", now))
		if got := counted(a, "acme"); got != 1 {
			t.Errorf("%d events are counted, want 1", got)
		}
	})
}

func TestTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		siem, other := observer(a, "acme"), observer(a, "other")
		for i := range 30 { // one an hour
			e := event(fmt.Sprint(i), now.Add(time.Duration(i-29)*time.Hour))
			if i%3 == 0 {
				e.Actor, e.Action, e.RemoteIP = source.Party{}, "branch.deleted", ""
			}
			siem(e)
		}
		other(event("1", now))
		top := a.Top("acme", 10, now)
		if want := now.Add(-23 * time.Hour); !top.Since.Equal(want) {
			t.Errorf("since %s, want %s", top.Since, want)
		}
		for what, list := range map[string][]console.Ranked{"Ada System": top.Actors, "branch.created branch.deleted": top.Actions, "203.0.113.7": top.Addresses} {
			var names []string
			for _, r := range list {
				names = append(names, r.Name)
			}
			if got := strings.Join(names, " "); got != what || list[0].Events != 16 {
				t.Errorf("top %q with %d events, want %q with 16", got, list[0].Events, what)
			}
		}
		if got := top.Actions[1]; got.Title != "Branch deleted" || got.Events != 8 || got.Highest == 0 {
			t.Errorf("second action %+v, want 8 times Branch deleted with its severity", got)
		}
		if got := a.Top("", 1, now); len(got.Actors) != 1 || got.Actors[0].Events != 17 {
			t.Errorf("top actors of all sources %+v, want only Ada with 17 events", got.Actors)
		}
		if got := a.Top("unknown", 1, now); len(got.Actors) != 0 || got.Since.IsZero() {
			t.Errorf("of an unknown source %+v", got)
		}
	})
}

func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		siem := observer(a, "acme")
		e := event("1", now)
		e.Metadata = e.Raw[slices.Index(e.Raw, '{')+len(`"id":"1","metadata":`)+1 : len(e.Raw)-1]
		e.Late, e.OwnToken, e.Verb, e.Modified, e.Problem = true, true, "created", "later", "odd"
		siem(e)
		apart := event("2", now.Add(-time.Minute))
		apart.Metadata = []byte(`{"apart":true}`)
		siem(apart)
		got := a.Recent("acme", "", 10)
		if len(got) != 2 {
			t.Fatalf("%d events, want 2", len(got))
		}
		k := got[0]
		if k.Title != "Branch created" || k.Actor != "Ada" || k.Object != "main" || k.Place != "203.0.113.7 Oslo" || k.Source != "acme" || k.Cut {
			t.Errorf("kept %+v", k)
		}
		if string(k.Event.Metadata) != `{"note":"Deep Water"}` || string(got[1].Event.Metadata) != `{"apart":true}` {
			t.Errorf("metadata %s and %s", k.Event.Metadata, got[1].Event.Metadata)
		}
		if a, b := fmt.Sprintf("%+v", k.Event), fmt.Sprintf("%+v", e); a != b {
			t.Errorf("the event is %s, want %s", a, b)
		}
		if found, ok := a.Find(k.Key); !ok || found.Event.ID != "1" || len(k.Key) != 16 {
			t.Errorf("key %q finds %+v", k.Key, found)
		}
		for _, key := range []string{"", "0", strings.Repeat("0", 16), strings.Repeat("g", 16), strings.Repeat("é", 8), k.Key + "00"} {
			if _, ok := a.Find(key); ok {
				t.Errorf("key %q finds an event", key)
			}
		}
		for filter, want := range map[string]int{"ada": 2, "DEEP water": 2, "branch CREATED oslo": 2, "main nothing": 0, "apart": 1, "acme": 2, "203.0.113.7": 2} {
			if got := len(a.Recent("", filter, 10)); got != want {
				t.Errorf("filter %q finds %d events, want %d", filter, got, want)
			}
		}
		if got := keys(a.Recent("", "ada", 1)); !slices.Equal(got, []string{"1"}) {
			t.Errorf("of two events with the word it returns %q, want the newer one", got)
		}
	})
}

// Lanes reuse the memory of a page.
func TestActivityKeepsNoMemoryOfAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		e := event("1", now)
		observer(a, "acme")(e)
		for i := range e.Raw {
			e.Raw[i] = 'x'
		}
		if got := a.Recent("", "", 1)[0].Event.Raw; bytes.Contains(got, []byte("xx")) {
			t.Errorf("the raw bytes are now %s", got)
		}
		a.Recent("", "", 1)[0].Event.Raw[0] = 'y'
		if got := a.Recent("", "", 1)[0].Event.Raw; got[0] != '{' {
			t.Errorf("a reader changed the raw bytes to %s", got)
		}
	})
}

func TestRecentHasTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		siem, lake := observer(a, "acme"), observer(a, "acme")
		const events = 700
		for i := range events {
			siem(event(fmt.Sprint(i), now.Add(time.Duration(i-events)*time.Second)))
		}
		for i := range events / 2 {
			lake(event(fmt.Sprint(i), now.Add(time.Duration(i-events)*time.Second)))
		}
		got := keys(a.Recent("", "", events))
		if len(got) != 500 || got[0] != "699" || got[499] != "200" {
			t.Errorf("%d events from %s to %s, want the 500 newest", len(got), got[0], got[len(got)-1])
		}
	})
}

// A catch-up must cost little. What is shown of it has no holes.
func TestOfACatchUpTheLastEventsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := console.NewActivity(plenty), nextHour()
		observer(a, "other")(event("other", now.Add(-100*time.Hour)))
		observe := a.Observer("acme", nil)
		const pages, size = 100, 100
		for p := range pages {
			var page []source.Event
			for i := range size {
				page = append(page, event(fmt.Sprint(p*size+i), now.Add(time.Duration(p*size+i-pages*size)*time.Second)))
			}
			observe(page, p == pages-1)
		}
		got := a.Recent("acme", "", 500)
		if len(got) != size || got[0].Event.ID != fmt.Sprint(pages*size-1) {
			t.Fatalf("%d events are kept, the last is %s; want those of the last page, since all are read in one second", len(got), got[0].Event.ID)
		}
		for i, k := range got {
			if want := fmt.Sprint(pages*size - 1 - i); k.Event.ID != want {
				t.Fatalf("event %d from the newest is %s, want %s", i, k.Event.ID, want)
			}
		}
		if got := counted(a, "acme"); got != pages*size {
			t.Errorf("%d events are counted, want %d", got, pages*size)
		}
		time.Sleep(time.Second)
		observe([]source.Event{event("next", time.Now())}, false)
		if got := a.Recent("acme", "", 500); got[0].Event.ID != "next" || len(got) < size {
			t.Errorf("after the catch-up %d events are kept, the last is %s", len(got), got[0].Event.ID)
		}
	})
}

// A source's users choose the texts, and may choose long ones.
func TestActivityIsBounded(t *testing.T) {
	const most, slack = 2 << 20, 256 << 10
	synctest.Test(t, func(t *testing.T) {
		now := nextHour()
		random := rand.New(rand.NewPCG(1, 2))
		long := strings.Repeat("x", 100<<10)
		before := footprint.Heap()
		a := console.NewActivity(most)
		siem := observer(a, "acme")
		for i := range 20_000 {
			e := event(fmt.Sprint(i), now.Add(-time.Duration(random.IntN(48*3600))*time.Second))
			name := fmt.Sprint(i, long[:random.IntN(1000)])
			e.Actor.Name, e.Action, e.RemoteIP, e.Location = name, name, name, name
			if i%100 == 0 {
				e.Raw, e.Actor.Name = []byte(long), long
			}
			siem(e)
		}
		if held := footprint.Heap() - before; held > most+slack {
			t.Errorf("it holds %d bytes, want at most %d", held, most+slack)
		} else {
			t.Logf("it holds %d of %d bytes", held, most)
		}
		if counted(a, "acme") == 0 || len(a.Recent("", "", 500)) == 0 {
			t.Error("it holds nothing")
		}
		for _, k := range a.Recent("", "", 500) {
			if len(k.Event.Raw) > 64<<10 || len(k.Actor) > 1<<10 || k.Cut != (len(k.Event.Raw) == 64<<10) {
				t.Errorf("an event has %d raw bytes and an actor of %d, cut: %t", len(k.Event.Raw), len(k.Actor), k.Cut)
			}
		}
		for _, r := range a.Top("", 1000, now).Actors {
			if len(r.Name) > 256 {
				t.Errorf("an actor has a name of %d bytes", len(r.Name))
			}
		}
		siem(event("last", now)) // a stays reachable until here.
	})
}

func TestActivityIsSafeForConcurrentUse(t *testing.T) {
	a, now := console.NewActivity(128<<10), time.Now()
	var group sync.WaitGroup
	for lane := range 4 {
		observe := observer(a, fmt.Sprint("source", lane%2))
		group.Go(func() {
			for i := range 2000 {
				observe(event(fmt.Sprint(i), now.Add(-time.Duration(i)*time.Minute)))
			}
		})
		group.Go(func() {
			for range 50 {
				a.Hours("", now)
				a.Top("", 10, now)
				for _, k := range a.Recent("", "oslo", 10) {
					a.Find(k.Key)
				}
			}
		})
	}
	group.Wait()
	if got := len(a.Recent("", "", 10)); got != 10 {
		t.Errorf("%d events are kept, want at least 10", got)
	}
}

// step is a page that a lane reads after a pause.
type step struct {
	pause               time.Duration
	lane, first, events int
}

// The naive model keeps every id for ever.
func TestActivityAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		room := rapid.SampledFrom([]int64{plenty, 64 << 10, 16 << 10}).Draw(r, "room")
		steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
			return step{
				time.Duration(rapid.IntRange(0, 8).Draw(r, "pause")) * 37 * time.Minute,
				rapid.IntRange(0, 3).Draw(r, "lane"), rapid.IntRange(0, 3000).Draw(r, "first"), rapid.IntRange(1, 300).Draw(r, "events"),
			}
		}), 1, 30).Draw(r, "steps")
		var wrong error
		synctest.Test(t, func(*testing.T) { wrong = compareWithModel(room, steps) })
		if wrong != nil {
			r.Fatal(wrong)
		}
	})
}

type eventOf struct{ src, id string }

func compareWithModel(room int64, steps []step) error {
	began := nextHour()
	a := console.NewActivity(room)
	model := map[eventOf]time.Time{} // what has a usable time
	var lanes []func(...source.Event)
	srcs := []string{"acme", "other"}
	for i := range 4 {
		lanes = append(lanes, observer(a, srcs[i%2]))
	}
	for _, s := range steps {
		time.Sleep(s.pause)
		var page []source.Event
		for i := s.first; i < s.first+s.events; i++ {
			e := event(fmt.Sprint(i), timeOf(i, began))
			e.Read = time.Now()
			page = append(page, e)
			if !e.Time.IsZero() && e.Time.Before(time.Now().Add(time.Hour)) {
				model[eventOf{srcs[s.lane%2], e.ID}] = e.Time
			}
		}
		lanes[s.lane](page...)
	}
	now := time.Now()
	for _, src := range append(srcs, "") {
		want := map[int64]int{}
		for e, at := range model {
			if src == "" || e.src == src {
				want[at.Unix()/3600]++
			}
		}
		for _, h := range a.Hours(src, now) {
			got, all := h.Events, want[h.Begin.Unix()/3600]
			if got > all || h.Known && !h.More && got != all || room == plenty && got != all {
				return fmt.Errorf("source %q: in the hour of %s %d events are counted (known %t, more %t), want %d", src, h.Begin, got, h.Known, h.More, all)
			}
		}
	}
	seen := map[string]bool{}
	var later time.Time
	for _, k := range a.Recent("", "", 500) {
		if seen[k.Source+k.Event.ID] {
			return fmt.Errorf("event %s of %s is kept twice", k.Event.ID, k.Source)
		}
		seen[k.Source+k.Event.ID] = true
		if t := k.Event.Time; t.IsZero() || !t.Before(k.Event.Read.Add(time.Hour)) {
			continue // It is ordered by when it was read.
		}
		if !later.IsZero() && k.Event.Time.After(later) {
			return fmt.Errorf("an event of %s follows one of %s", k.Event.Time, later)
		}
		later = k.Event.Time
	}
	return nil
}

// timeOf returns the time of an event, always the same: mostly from nine days before the
// test to three days after its begin.
func timeOf(i int, began time.Time) time.Time {
	switch {
	case i%97 == 0:
		return time.Time{}
	case i%89 == 0:
		return began.AddDate(50, 0, 0)
	}
	return began.Add(time.Duration(i*7919%(12*24*60)-9*24*60) * time.Minute)
}
