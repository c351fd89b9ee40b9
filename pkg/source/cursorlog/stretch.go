package cursorlog

import (
	"slices"
	"time"

	"github.com/klauspost/compress/s2"
)

// stretch is what a walk keeps of a page that holds unknown events.
type stretch struct {
	cursor         string // the cursor that requested the page
	listed         int    // events in it
	clocks         reading
	ahead          int64
	read           time.Time
	last           string   // id of its last event; "" if that has none
	after          string   // id of an event listed behind last: the next one, if that has an id; "" at the end of the log
	oldest         int64    // earliest time of its events that are not below the floor, also of known ones: those must stay named until the stretch is returned
	awaits         int64    // earliest time of its unknown events; none if none has a time
	before, behind []string // if the position forgot undated events: the undated ids listed before and behind the first one that it names
	top            bool     // the top page: it stays as it is
	body           []byte   // the body of the page
	data           []byte   // the compressed body; if body is nil, too, the page must be read again
}

// remembered reports whether the events of the stretch are in memory.
func (st *stretch) remembered() bool { return st.body != nil || st.data != nil }

// keepPage keeps a page for the handout. The top page does not count, and it stays as it
// is: an idle lane has no other, and it cannot be requested again.
func (w *walk) keepPage(st *stretch, p *page) {
	st.body, st.top = p.body, w.pages == 1
	w.stretches = append(w.stretches, st)
	if st.top {
		return
	}
	w.kept += int64(cap(st.body))
	w.shed()
}

// shed keeps to the budget. It compresses no more pages than it must, since that costs
// more than to keep them. If that is not enough, it forgets the newest pages: they are
// returned last.
func (w *walk) shed() {
	for ; !w.fits() && w.compressed < len(w.stretches); w.compressed++ {
		w.compress(w.stretches[w.compressed])
	}
	if w.order() == oldestFirst && !w.fits() {
		w.forget(w.stretches[len(w.stretches)-1])
	}
	for ; !w.fits() && w.forgotten < len(w.stretches); w.forgotten++ {
		w.forget(w.stretches[w.forgotten])
	}
}

func (w *walk) compress(st *stretch) {
	if st.top {
		return
	}
	if most := s2.MaxEncodedLen(len(st.body)); most > len(w.scratch) {
		w.scratch = make([]byte, most)
	}
	st.data = slices.Clone(s2.Encode(w.scratch, st.body))
	w.kept += int64(cap(st.data) - cap(st.body))
	st.body = nil
}

// forget is for a page that was compressed.
func (w *walk) forget(st *stretch) {
	w.kept -= int64(cap(st.data))
	st.data = nil
}
