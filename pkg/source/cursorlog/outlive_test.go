package cursorlog

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// aliasing is a client whose strings share memory with the body: it decodes without
// copying.
type aliasing struct{ plain }

func (c aliasing) Skim(body []byte, l *Listing) error {
	p, err := c.Decode(body, nil)
	if err != nil {
		return err
	}
	*l = Listing{HasNext: p.HasNext, Cursor: alias(body, p.Cursor)}
	for i := range p.Events {
		e := entryOf(&p.Events[i])
		e.ID = alias(body, e.ID)
		l.Entries = append(l.Entries, e)
	}
	return nil
}

// alias is the quoted text in the body, not a copy.
func alias(body []byte, text string) string {
	if text == "" {
		return ""
	}
	at := bytes.Index(body, fmt.Appendf(nil, "%q", text)) + 1
	return unsafe.String(&body[at], len(text))
}

// aliased skims bodies with strings that share their memory.
func aliased(t *testing.T, bodies ...[]byte) []*page {
	t.Helper()
	var pages []*page
	for _, body := range bodies {
		p := &page{clocks: at(noon), ahead: noon.Add(future).UnixMilli(), read: noon, body: body}
		if err := p.skim(aliasing{}); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	return pages
}

// overwrite reuses the memory of the bodies.
func overwrite(pages []*page) {
	for _, p := range pages {
		for i := range p.body {
			p.body[i] = 'x'
		}
	}
}

// A walk and a position outlive their pages. The strings that they keep must not share
// the memory of a page, which is large.
func TestWhatAWalkKeepsOutlivesItsPages(t *testing.T) {
	pages := aliased(t, plainBody("3", 1, 2, 3), plainBody("6", 4, 5, 6), plainBody("", 7, 8, 9), plainBody("", 7, 8, 9))
	pos := newPosition("host", "acme")
	pos.raise(noon.Add(-2000 * time.Second).UnixMilli())
	w := newWalk(pos, true, oldestFirst, &walkSettings, testClock())
	for _, p := range pages {
		st, err := w.add(p)
		if err != nil {
			t.Fatal(err)
		}
		if st != nil {
			w.keepPage(st, p)
		}
	}
	w.votes[oldestFirst] = clearly
	pos.keepAnchors(w)
	overwrite(pages)
	if got := slices.Sorted(maps.Keys(w.cursors)); !slices.Equal(got, []string{"3", "6"}) {
		t.Errorf("got cursors %q", got)
	}
	if w.cursor != "6" || w.last != "9" {
		t.Errorf("got cursor %q, last %q", w.cursor, w.last)
	}
	for i, want := range []string{"3 4", "6 7", "9 "} {
		if st := w.stretches[i]; st.last+" "+st.after != want {
			t.Errorf("stretch %d ends at %q before %q", i, st.last, st.after)
		}
	}
	if got := fmt.Sprint(pos.anchor, pos.end); got != "[7 8] [8 9]" {
		t.Errorf("got anchors %s", got)
	}
}

func TestWhatAPositionNamesOutlivesItsPages(t *testing.T) {
	pages := aliased(t, plainBody("", 9, 8), plainBody("", 9))
	pos := newPosition("host", "acme")
	for i := range pages[0].Entries {
		pos.deliver(&pages[0].Entries[i], 1)
	}
	pos.changed(&pages[1].Entries[0]) // the index takes a new digest
	overwrite(pages)
	names := fmt.Sprint(pos.named[0].id, pos.named[1].id, slices.Sorted(maps.Keys(pos.index)))
	if names != "98[8 9]" {
		t.Errorf("got names %q", names)
	}
}

// The position forgot events without a time, so the stretch keeps the ids of those listed
// before and behind a known one.
func TestUndatedIDsOfAStretchOutliveItsPage(t *testing.T) {
	body := []byte(`{"data":[{"id":"before"},{"id":"known"},{"id":"behind"}],"has_next":true,"cursor":"behind"}`)
	pages := aliased(t, body)
	pos := newPosition("host", "acme")
	pos.deliver(&Entry{ID: "known"}, 1)
	pos.forgot = true
	st, err := newWalk(pos, true, newestFirst, &walkSettings, testClock()).add(pages[0])
	if err != nil {
		t.Fatal(err)
	}
	overwrite(pages)
	if got := fmt.Sprint(st.before, st.behind); got != "[before] [behind]" {
		t.Errorf("got %s", got)
	}
}
