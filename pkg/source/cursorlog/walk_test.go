package cursorlog

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// listing makes a page of events a second apart, newest first. Without a cursor it is the
// end of the log.
func listing(t *testing.T, cursor string, ids ...int) *page {
	t.Helper()
	p := &page{clocks: at(noon), ahead: noon.Add(future).UnixMilli(), read: noon, body: plainBody(cursor, ids...)}
	if err := p.skim(plain{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// ending is the last page of a log that gives a cursor there, too.
func ending(t *testing.T, cursor string, ids ...int) *page {
	p := listing(t, cursor, ids...)
	p.HasNext = false
	return p
}

// at is a reading at which both clocks show t.
func at(t time.Time) reading { return reading{sent: t, machine: t, date: t} }

var walkSettings = Settings{Overlap: setting.Duration(time.Minute), WalkBuffer: 1 << 20}

// testClock saw an event of noon at noon.
func testClock() *clock {
	c := newClock(time.Now, zerolog.Nop())
	c.saw(noon.UnixMilli(), noon)
	return c
}

// down is n ids, counted down.
func down(from, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = from - i
	}
	return ids
}

func TestWalkRefusesListingsThatContradictTheContract(t *testing.T) {
	for name, pages := range map[string][]*page{
		"more without events":                {listing(t, "8")},
		"more without events, later":         {listing(t, "9", 9, 8), listing(t, "8")},
		"no events where some were promised": {listing(t, "9", 9, 8), listing(t, "")},
		"no events where some were listed":   {listing(t, "8", 9, 8), listing(t, "", 7, 6), listing(t, "")},
		"the top in place of the last page":  {listing(t, "8", 9, 8), listing(t, "", 7, 6), listing(t, "8", 9, 8)},
		"a cursor that leads to itself":      {listing(t, "8", 9, 8), listing(t, "8", 7, 6)},
		"a cycle of two cursors":             {listing(t, "8", 9, 8), listing(t, "6", 7, 6), listing(t, "4", 5, 4), listing(t, "6", 7, 6)},
		"the same page again":                {listing(t, "8", 9, 8), listing(t, "7", 9, 8)},
		"the top again, with a new event":    {listing(t, "6", 9, 8, 7, 6), listing(t, "4", 5, 4), listing(t, "3", 10, 9, 8)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWalk(newPosition("host", "acme"), true, undecided, &walkSettings, testClock())
			for i, p := range pages {
				_, err := w.add(p)
				if last := i == len(pages)-1; (err != nil) != last {
					t.Fatalf("page %d: got error %v", i+1, err)
				}
			}
		})
	}
}

func TestWalkContinuesWhileAnEventIsUnknown(t *testing.T) {
	for _, c := range []struct {
		name     string
		floor    int
		known    []int
		full     bool
		pages    []*page
		requests int
		complete bool
	}{
		{"nothing unknown", 0, []int{9, 8}, false, []*page{listing(t, "8", 9, 8), listing(t, "", 7)}, 1, false},
		{"one unknown", 0, []int{8, 7, 6}, false, []*page{listing(t, "8", 9, 8), listing(t, "6", 7, 6), listing(t, "", 5)}, 2, false},
		{"nothing unknown, down to the floor", 6, []int{9, 8, 7, 6}, true, []*page{listing(t, "8", 9, 8), listing(t, "6", 7, 6), listing(t, "4", 5, 4), listing(t, "", 3)}, 3, true},
		{"the floor on the page", 508, []int{509, 508}, false, []*page{listing(t, "408", down(509, 100)...), listing(t, "", 407)}, 1, true},
		{"a few below the floor at the end of the page", 508, []int{}, false, []*page{listing(t, "6", append(down(599, 20), 8, 7, 6)...), listing(t, "", 570, 569), listing(t, "", 570, 569)}, 3, true},
		{"the floor on the page, out of order", 8, []int{9, 8}, true, []*page{listing(t, "7", 9, 7, 8, 6), listing(t, "4", 5, 4), listing(t, "", 3)}, 2, true},
		{"the end of the log", 0, []int{9}, true, []*page{listing(t, "", 9), listing(t, "", 9)}, 2, true},
		{"the end of the log, behind a cursor", 0, []int{9}, true, []*page{ending(t, "9", 9), listing(t, "")}, 2, true},
		{"an end that is none", 0, []int{9}, true, []*page{listing(t, "", 9), listing(t, "8", 9, 8), listing(t, "", 7), listing(t, "", 7)}, 4, true},
		{"an end that moves", 0, []int{9, 8, 7}, true, []*page{listing(t, "", 9, 8, 7), listing(t, "", 9, 8), listing(t, "", 10, 9, 8)}, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			pos := newPosition("host", "acme")
			pos.floor = noon.Add(time.Duration(c.floor-1000) * time.Second).UnixMilli()
			for _, id := range c.known {
				pos.index[fmt.Sprint(id)] = 0
			}
			w := newWalk(pos, c.full, newestFirst, &walkSettings, testClock())
			for i, p := range c.pages {
				if _, err := w.add(p); err != nil {
					t.Fatal(err)
				}
				if w.done {
					if i+1 != c.requests || w.complete != c.complete {
						t.Errorf("got %d requests, complete %v", i+1, w.complete)
					}
					return
				}
			}
			t.Error("the walk did not end")
		})
	}
}

// A log that lists the oldest first begins with late events. What follows them is not
// below the floor.
func TestFewLateEventsDoNotTurnTheOrder(t *testing.T) {
	for name, c := range map[string]struct {
		pages []*page
		done  bool
	}{
		"a few": {[]*page{listing(t, "7", 600, 7), listing(t, "6", 6)}, false},
		"many":  {[]*page{listing(t, "7", 600, 7), listing(t, "6", down(6, 6)...), listing(t, "-5", down(0, 6)...)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			pos := newPosition("host", "acme")
			pos.raise(noon.Add(-500 * time.Second).UnixMilli())
			w := newWalk(pos, true, oldestFirst, &walkSettings, testClock())
			for _, p := range c.pages {
				if _, err := w.add(p); err != nil {
					t.Fatal(err)
				}
			}
			if w.done != c.done {
				t.Errorf("the walk ended: %t, want %t", w.done, c.done)
			}
		})
	}
}

func TestPositionIsTheSameAfterEncoding(t *testing.T) {
	p := newPosition("host", "acme")
	p.floor, p.through, p.anchor = noon.UnixMilli(), noon.UnixMilli()+5, [2]string{"a", "b"}
	p.gap = &gap{From: noon, To: noon.Add(time.Hour)}
	for i, id := range []string{"plain", `quote"\`, "line\nend", "\u2028", "é", "<&>"} {
		p.deliver(&Entry{ID: id, At: noon.UnixMilli() + int64(i), dated: i != 2}, 1)
	}
	text, err := p.encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := parsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.encode()
	if err != nil || string(again) != string(text) {
		t.Errorf("got %s\nwant %s, %v", again, text, err)
	}
}

// More events are delivered than a position may name, with short ids and long ones.
func TestPositionIsBounded(t *testing.T) {
	for name, id := range map[string]string{"short ids": "%012d", "long ids": "sha256:%064d"} {
		for _, dated := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " dated ", dated), func(t *testing.T) {
				p := newPosition("host", "acme")
				p.raise(noon.UnixMilli())
				shrunk := false
				for i := range 30_000 {
					p.deliver(&Entry{ID: fmt.Sprintf(id, i), At: noon.UnixMilli() + int64(20*i), dated: dated}, 1)
					if i%100 == 99 {
						shrunk = p.bound(1<<62) || shrunk
					}
				}
				text, err := p.encode()
				if err != nil || len(text) > 512_000 || !shrunk {
					t.Errorf("got %d bytes, shrunk %v, %v", len(text), shrunk, err)
				}
				if dated && p.floor <= noon.UnixMilli() {
					t.Error("the floor did not rise over what was forgotten")
				}
				if name == "short ids" && dated && len(p.named) < 19_900 {
					t.Errorf("got %d names, want about 20,000", len(p.named))
				}
				if got := len(p.index); got != len(p.named)+len(p.undated) {
					t.Errorf("got an index of %d for %d names", got, len(p.named)+len(p.undated))
				}
			})
		}
	}
}

// The position forgets names rather than lose events.
func TestFloorNeverPassesWaitingEvents(t *testing.T) {
	p := newPosition("host", "acme")
	p.raise(0)
	for i := range 25_000 {
		p.deliver(&Entry{ID: fmt.Sprint(i), At: int64(i), dated: true}, 1)
	}
	p.bound(50)
	if p.floor > 50 || len(p.named) > maxNames {
		t.Errorf("got floor %d, %d names", p.floor, len(p.named))
	}
	p.bound(1 << 62)
	if p.floor < 5000 {
		t.Errorf("got floor %d once nothing waits, want what was forgotten below it", p.floor)
	}
}

// Names are forgotten while an earlier event waits. Once none waits, the floor is above all
// names that were forgotten.
func TestFloorAfterNamesWereForgotten(t *testing.T) {
	p := newPosition("host", "acme")
	p.raise(0)
	for i := range maxNames + 10 {
		p.deliver(&Entry{ID: fmt.Sprint(i), At: int64(1_000_000 - i), dated: true}, 1)
	}
	p.bound(0)
	p.bound(1 << 62)
	for i := range 10 {
		if e := (&Entry{ID: fmt.Sprint(i), At: int64(1_000_000 - i), dated: true}); !p.knows(e) && e.At >= p.floor {
			t.Fatalf("event %s, delivered, is unknown at the floor %d", e.ID, p.floor)
		}
	}
}

// Another lane requested one of the pages before the walk started.
func TestHorizonIsOfTheEarliestPage(t *testing.T) {
	w := newWalk(newPosition("host", "acme"), true, newestFirst, &walkSettings, testClock())
	second := listing(t, "", 7, 6)
	second.clocks = at(noon.Add(-20 * time.Second))
	for _, p := range []*page{listing(t, "8", 9, 8), second} {
		if _, err := w.add(p); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := w.horizon, noon.Add(-80*time.Second-20*time.Second/drift).UnixMilli(); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// The log lists the oldest first, and events out of order follow the anchor. The walk did
// not look at what comes before it.
func TestWalkThatJumpedIsNeverComplete(t *testing.T) {
	w := newWalk(newPosition("host", "acme"), false, oldestFirst, &walkSettings, testClock())
	w.jump([2]string{"4", "5"})
	if _, err := w.add(listing(t, "", 5, 7, 6)); err != nil {
		t.Fatal(err)
	}
	if !w.done || w.complete {
		t.Errorf("got done %v, complete %v", w.done, w.complete)
	}
}

// A jump to such an anchor would list the top page again.
func TestAnchorOnTheTopPageIsNotJumpedTo(t *testing.T) {
	for anchor, want := range map[string]string{"6": "7", "8": "8"} {
		pos := newPosition("host", "acme")
		pos.floor, pos.anchor = noon.UnixMilli(), [2]string{anchor, "9"}
		w := newWalk(pos, true, oldestFirst, &walkSettings, testClock())
		if _, err := w.add(listing(t, "7", 5, 6, 7)); err != nil {
			t.Fatal(err)
		}
		if w.cursor != want {
			t.Errorf("anchor %s: the walk continues behind %s, want %s", anchor, w.cursor, want)
		}
	}
}

// The second of three pages is spoilt in memory.
func TestEventsBeforeAnErrorAreReturned(t *testing.T) {
	pos := newPosition("host", "acme")
	w := newWalk(pos, true, newestFirst, &walkSettings, testClock())
	for _, p := range []*page{listing(t, "8", 9, 8), listing(t, "6", 7, 6), listing(t, "", 5, 4)} {
		st, err := w.add(p)
		if err != nil {
			t.Fatal(err)
		}
		w.keepPage(st, p)
	}
	w.stretches[1].body, w.stretches[1].data = nil, []byte("spoilt")
	h := newHandout(w, math.MaxInt, &recollection{source: &Source{requester: &requester{client: plain{}}}}, func(*Entry) {})
	events, err := h.collect(t.Context(), false)
	if err != nil || len(events) != 2 || events[0].ID != "4" || events[1].ID != "5" {
		t.Fatalf("got %d events, error %v; want the two of the page before the spoilt one", len(events), err)
	}
	if events, err := h.collect(t.Context(), false); !errors.As(err, new(errWalk)) || len(events) != 0 {
		t.Errorf("got %d events, error %v; want that of the spoilt page", len(events), err)
	}
	if pos.knows(&Entry{ID: "6"}) || !pos.knows(&Entry{ID: "5"}) {
		t.Error("the position does not name exactly the events that were returned")
	}
}

func TestPagesAreHandedOutTogether(t *testing.T) {
	const pages = 25
	pos := newPosition("host", "acme")
	w := newWalk(pos, true, newestFirst, &walkSettings, testClock())
	for i := range pages {
		cursor := ""
		if i < pages-1 {
			cursor = fmt.Sprint(i)
		}
		p := listing(t, cursor, down((pages-i)*pageLimit, pageLimit)...)
		st, err := w.add(p)
		if err != nil {
			t.Fatal(err)
		}
		w.keepPage(st, p)
	}
	h := newHandout(w, math.MaxInt, &recollection{source: &Source{requester: &requester{client: plain{}}}}, func(*Entry) {})
	next := 1
	for _, want := range []int{handEvents, handEvents, 5 * pageLimit} {
		events, err := h.collect(t.Context(), false)
		if err != nil || len(events) != want {
			t.Fatalf("got %d events, error %v; want %d", len(events), err, want)
		}
		for _, e := range events {
			if e.ID != fmt.Sprint(next) {
				t.Fatalf("got event %s, want %d", e.ID, next)
			}
			next++
		}
	}
}

// The position behind a part of a listed page names exactly what was returned, and awaits
// the next event.
func TestAListedPageIsHandedOutInParts(t *testing.T) {
	pos := newPosition("host", "acme")
	w := newWalk(pos, true, newestFirst, &walkSettings, testClock())
	for _, p := range []*page{listing(t, "5", 10, 9, 8, 7, 6, 5), listing(t, "", 4, 3, 2, 1)} {
		st, err := w.add(p)
		if err != nil {
			t.Fatal(err)
		}
		w.keepPage(st, p)
	}
	h := newHandout(w, 3, &recollection{source: &Source{requester: &requester{client: plain{}}}}, func(*Entry) {})
	next := 1
	for _, want := range []int{3, 3, 3, 1} {
		events, err := h.collect(t.Context(), false)
		if err != nil || len(events) != want {
			t.Fatalf("got %d events, error %v; want %d", len(events), err, want)
		}
		next += want
		awaits := noon.Add(time.Duration(next-1000) * time.Second).UnixMilli()
		if next > 10 {
			awaits = none
		}
		last, waits := &Entry{ID: fmt.Sprint(next - 1)}, &Entry{ID: fmt.Sprint(next)}
		if events[want-1].ID != last.ID || !pos.knows(last) || pos.knows(waits) || pos.awaits != awaits {
			t.Errorf("behind event %s: the position names %v, awaits %d, want %d", events[want-1].ID, pos.named, pos.awaits, awaits)
		}
		if pos.floor > awaits {
			t.Errorf("the floor %d passed the next event, of %d", pos.floor, awaits)
		}
	}
	if !h.done() {
		t.Error("the handout is not done")
	}
}

// Such a page is the top of a log that lists the oldest first, unless an event at or above
// the floor was met before.
func TestPageBelowTheFloorThatContradictsItself(t *testing.T) {
	for words, c := range map[string]struct {
		pages []*page
		done  bool
	}{
		"in order":                     {[]*page{listing(t, "1", 5, 4, 3, 2, 1)}, true},
		"in no order":                  {[]*page{listing(t, "1", 5, 3, 4, 2, 1)}, false},
		"in no order, but met before":  {[]*page{listing(t, "8", 900, 8), listing(t, "1", 5, 3, 4, 2, 1)}, true},
		"in no order, after one below": {[]*page{listing(t, "8", 7, 9, 8), listing(t, "1", 5, 3, 4, 2, 1)}, false},
	} {
		t.Run(words, func(t *testing.T) {
			pos := newPosition("host", "acme")
			pos.raise(noon.Add(-500 * time.Second).UnixMilli())
			w := newWalk(pos, true, undecided, &walkSettings, testClock())
			for _, p := range c.pages {
				if _, err := w.add(p); err != nil {
					t.Fatal(err)
				}
			}
			if w.done != c.done {
				t.Errorf("the walk ended: %t, want %t", w.done, c.done)
			}
		})
	}
}

// The last page is requested again, since it has no cursor, and has grown. It does not
// follow itself: where it begins is no place for an anchor, and says nothing about the
// order.
func TestAPageThatIsListedAgainDoesNotFollowItself(t *testing.T) {
	w := newWalk(newPosition("host", "acme"), true, oldestFirst, &walkSettings, testClock())
	for _, p := range []*page{listing(t, "8", 7, 8), listing(t, "", 9, 10), listing(t, "", 9, 10, 11)} {
		if _, err := w.add(p); err != nil {
			t.Fatal(err)
		}
	}
	if w.votes[newestFirst] != 0 || w.end[0].id != "10" || w.end[1].id != "11" || w.anchor != [2]string{"9", "10"} {
		t.Errorf("got votes %v, end %v, anchor %v", w.votes, w.end, w.anchor)
	}
}

// A server may answer a cursor that is gone with the first page of a log that holds other
// events by now. A log may also really list newer events behind older ones, for example in
// the order of insertion: then the next walk meets them again.
func TestAListingThatRises(t *testing.T) {
	s := &series{settings: &walkSettings, clock: testClock()}
	for try, want := range []error{errRises, nil, nil, errRises} {
		w := s.begin(newPosition("host", "acme"))
		if _, err := w.add(listing(t, "8", 9, 8)); err != nil {
			t.Fatal(err)
		}
		second := listing(t, "19", 20, 19)
		if try == 2 {
			second = listing(t, "6", 7, 6)
		}
		_, err := w.add(second)
		if !errors.Is(err, want) {
			t.Errorf("walk %d: got %v, want %v", try+1, err, want)
		}
		if err != nil {
			s.discard(err)
		} else {
			s.finish(w)
		}
	}
}
