package cursorlog

import (
	"fmt"
	"testing"
)

const bodySize = 8 << 10 // of each page in memory

// keeping returns a walk over so many pages of a hundred events, with such a budget. What
// it keeps is within the budget after each page, and is what its pages take.
func keeping(t *testing.T, o order, pages int, budget int64) *walk {
	t.Helper()
	w := newWalk(newPosition("host", "acme"), true, o, &walkSettings, testClock())
	w.budget = budget
	for i := range pages {
		numbers := down((pages-i)*pageLimit, pageLimit)
		if o == oldestFirst {
			for n := range numbers {
				numbers[n] = i*pageLimit + n + 1
			}
		}
		cursor := ""
		if i < pages-1 {
			cursor = fmt.Sprint(i)
		}
		p := listing(t, cursor, numbers...)
		p.body = append(make([]byte, 0, bodySize), p.body...)
		st, err := w.add(p)
		if err != nil {
			t.Fatal(err)
		}
		w.keepPage(st, p)
		held := 0
		for _, st := range w.stretches[1:] {
			held += cap(st.body) + cap(st.data)
		}
		if int64(held) != w.kept || w.kept > budget {
			t.Fatalf("page %d: %d bytes are held, %d counted, the budget is %d", i, held, w.kept, budget)
		}
	}
	return w
}

// shape shows how each page of a walk is kept, in the order of the listing.
func shape(w *walk) (text string) {
	for _, st := range w.stretches {
		switch {
		case st.body != nil:
			text += "b"
		case st.data != nil:
			text += "c"
		default:
			text += "-"
		}
	}
	return text
}

func TestPagesAreCompressedOnlyIfTheBudgetIsTight(t *testing.T) {
	const body = bodySize
	all := keeping(t, newestFirst, 6, body)
	if got := shape(all); got != "bccccc" {
		t.Fatalf("five pages in the memory of one: got %s, want all of them compressed", got)
	}
	three := all.kept * 3 / 5
	for _, tt := range []struct {
		words  string
		order  order
		budget int64
		want   string
	}{
		{"all fit", newestFirst, 5 * body, "bbbbbb"},
		{"all but one fit", newestFirst, 5*body - 1, "bcbbbb"},
		{"two fit beside the others", newestFirst, 3 * body, "bcccbb"},
		{"the newest are forgotten", newestFirst, three + three/10, "b--ccc"},
		{"nothing fits", newestFirst, 0, "b-----"},
		{"all fit, oldest first", oldestFirst, 5 * body, "bbbbbb"},
		{"the newest are forgotten, oldest first", oldestFirst, three + three/10, "bccc--"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			w := keeping(t, tt.order, 6, tt.budget)
			if got := shape(w); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
