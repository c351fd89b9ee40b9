package planetscale

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// listing makes a page: ids of events a second apart, newest first, with the
// cursor that leads on; no cursor is the end of the log.
func listing(t *testing.T, cursor string, ids ...int) *page {
	t.Helper()
	var elements []string
	for _, id := range ids {
		created := noon.Add(time.Duration(id-1000) * time.Second).Format(time.RFC3339)
		elements = append(elements, fmt.Sprintf(`{"id":"%d","created_at":%q}`, id, created))
	}
	body := string(answerOf(elements...))
	if cursor != "" {
		body = strings.Replace(body, `"has_next":false`, `"has_next":true`, 1)
		body = strings.Replace(body, `"cursor_end":null`, fmt.Sprintf(`"cursor_end":%q`, cursor), 1)
	}
	p, err := skim([]byte(body), at(noon), noonAhead, noon)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// at is when both clocks say t.
func at(t time.Time) reading { return reading{sent: t, machine: t, date: t} }

var walkSettings = Settings{Overlap: setting.Duration(time.Minute), WalkBuffer: 1 << 20}

// testClock has seen an event of noon at noon.
func testClock() *clock {
	c := newClock(time.Now, zerolog.Nop())
	c.saw(noon.UnixMilli(), noon)
	return c
}

// down counts n ids down.
func down(from, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = from - i
	}
	return ids
}

func TestListingsThatContradictTheContract(t *testing.T) {
	for name, pages := range map[string][]*page{
		"has_next without events":            {listing(t, "9", 9, 8), listing(t, "8")},
		"no events where some were promised": {listing(t, "9", 9, 8), listing(t, "")},
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

func TestWalkGoesOnWhileSomethingIsUnknown(t *testing.T) {
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
		{"a few below the floor at the end of the page", 508, []int{}, false, []*page{listing(t, "6", append(down(599, 20), 8, 7, 6)...), listing(t, "", 570, 569), listing(t, "")}, 3, true},
		{"the floor on the page, out of order", 8, []int{9, 8}, true, []*page{listing(t, "7", 9, 7, 8, 6), listing(t, "4", 5, 4), listing(t, "", 3)}, 2, true},
		{"the end of the log", 0, []int{9}, true, []*page{listing(t, "", 9), listing(t, "")}, 2, true},
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

func TestPositionSurvivesItsText(t *testing.T) {
	p := newPosition("host", "acme")
	p.floor, p.through, p.anchor = noon.UnixMilli(), noon.UnixMilli()+5, [2]string{"a", "b"}
	p.gap = &gap{From: noon, To: noon.Add(time.Hour)}
	for i, id := range []string{"plain", `quote"\`, "line\nend", "\u2028", "é", "<&>"} {
		p.deliver(&listed{id: id, at: noon.UnixMilli() + int64(i), dated: i != 2}, 1)
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

// TestPositionIsBounded names more than a position may, in few bytes and many.
func TestPositionIsBounded(t *testing.T) {
	for name, id := range map[string]string{"short ids": "%012d", "long ids": "sha256:%064d"} {
		for _, dated := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " dated ", dated), func(t *testing.T) {
				p := newPosition("host", "acme")
				p.raise(noon.UnixMilli())
				shrunk := false
				for i := range 30_000 {
					p.deliver(&listed{id: fmt.Sprintf(id, i), at: noon.UnixMilli() + int64(20*i), dated: dated}, 1)
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

// TestFloorNeverPassesWhatWaits forgets names rather than events.
func TestFloorNeverPassesWhatWaits(t *testing.T) {
	p := newPosition("host", "acme")
	p.raise(0)
	for i := range 25_000 {
		p.deliver(&listed{id: fmt.Sprint(i), at: int64(i), dated: true}, 1)
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

// TestFloorAfterNamesWereForgotten forgets names while an earlier event waits:
// once none does, the floor lies above all that were forgotten.
func TestFloorAfterNamesWereForgotten(t *testing.T) {
	p := newPosition("host", "acme")
	p.raise(0)
	for i := range maxNames + 10 {
		p.deliver(&listed{id: fmt.Sprint(i), at: int64(1_000_000 - i), dated: true}, 1)
	}
	p.bound(0)
	p.bound(1 << 62)
	for i := range 10 {
		if e := (&listed{id: fmt.Sprint(i), at: int64(1_000_000 - i), dated: true}); !p.knows(e) && e.at >= p.floor {
			t.Fatalf("event %s, delivered, is unknown at the floor %d", e.id, p.floor)
		}
	}
}

// TestHorizonIsOfTheEarliestPage takes a page that another lane had asked for
// before the walk set out.
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

// TestWalkFromTheEndIsNeverComplete finds events out of order behind the end of
// a log that lists the oldest first: what lies before was not looked at.
func TestWalkFromTheEndIsNeverComplete(t *testing.T) {
	w := newWalk(newPosition("host", "acme"), false, oldestFirst, &walkSettings, testClock())
	w.jump([2]string{"4", "5"})
	if _, err := w.add(listing(t, "", 5, 7, 6)); err != nil {
		t.Fatal(err)
	}
	if !w.done || w.complete {
		t.Errorf("got done %v, complete %v", w.done, w.complete)
	}
}

// TestAnchorOnTheTopPageIsNotJumpedTo would list what the top page listed.
func TestAnchorOnTheTopPageIsNotJumpedTo(t *testing.T) {
	for anchor, want := range map[string]string{"6": "7", "8": "8"} {
		pos := newPosition("host", "acme")
		pos.floor, pos.anchor = noon.UnixMilli(), [2]string{anchor, "9"}
		w := newWalk(pos, true, oldestFirst, &walkSettings, testClock())
		if _, err := w.add(listing(t, "7", 5, 6, 7)); err != nil {
			t.Fatal(err)
		}
		if w.cursor != want {
			t.Errorf("anchor %s: the walk goes on behind %s, want %s", anchor, w.cursor, want)
		}
	}
}

// TestErrorBehindEventsThatWereTaken spoils the second of three pages that are
// handed out at once.
func TestErrorBehindEventsThatWereTaken(t *testing.T) {
	pos := newPosition("host", "acme")
	w := newWalk(pos, true, newestFirst, &walkSettings, testClock())
	for _, p := range []*page{listing(t, "8", 9, 8), listing(t, "6", 7, 6), listing(t, "", 5, 4)} {
		st, err := w.add(p)
		if err != nil {
			t.Fatal(err)
		}
		w.keep(st, p)
	}
	w.stretches[1].data = []byte("spoilt")
	r := &reader{source: &Source{}, pos: pos}
	h := newHandout(w)
	events, err := r.collect(t.Context(), h)
	if err != nil || len(events) != 2 || events[0].ID != "4" || events[1].ID != "5" {
		t.Fatalf("got %d events, error %v; want the two of the page before the spoilt one", len(events), err)
	}
	if events, err := r.collect(t.Context(), h); !errors.As(err, new(errWalk)) || len(events) != 0 {
		t.Errorf("got %d events, error %v; want that of the spoilt page", len(events), err)
	}
	if pos.knows(&listed{id: "6"}) || !pos.knows(&listed{id: "5"}) {
		t.Error("the position names something else than what was handed out")
	}
}

// TestPagesAreHandedOutTogether counts what comes at once of a log in memory.
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
		w.keep(st, p)
	}
	r := &reader{source: &Source{}, pos: pos}
	h := newHandout(w)
	next := 1
	for _, want := range []int{handEvents, handEvents, 5 * pageLimit} {
		events, err := r.collect(t.Context(), h)
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

// TestPageBelowTheFloorThatContradictsItself is the beginning of a log that lists
// the oldest first, if nothing at or above the floor was met before.
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
