package planetscale

import (
	"slices"
	"time"

	"github.com/klauspost/compress/s2"
)

// stretch is a page that holds something unknown, as far as it is remembered.
type stretch struct {
	cursor         string // the page was asked for with it
	clocks         reading
	ahead          int64
	read           time.Time
	last           string   // id of its last event; "" if that has none
	after          string   // id of an event listed behind that, the next one if it has an id; "" at the end of the log
	oldest         int64    // time of what is not below the floor: also what is known must stay known until then
	before, behind []string // where undated ones were forgotten: ids of those listed before and behind the first that is named
	body           []byte   // of the top page only
	data           []byte   // the body compressed; nil, with body, if the page is to be read again
}

// remembered tells whether the stretch need not be read again.
func (st *stretch) remembered() bool { return st.body != nil || st.data != nil }

// keep remembers a page. The top page stays as it is: an idle lane has no other,
// and it is the one page that cannot be asked for again.
func (w *walk) keep(st *stretch, p *page) {
	w.stretches = append(w.stretches, st)
	if w.pages == 1 {
		st.body = p.body
		return
	}
	if most := s2.MaxEncodedLen(len(p.body)); most > len(w.scratch) {
		w.scratch = make([]byte, most)
	}
	st.data = slices.Clone(s2.Encode(w.scratch, p.body))
	w.kept += int64(cap(st.data))
	w.shed()
}

// shed forgets the newest pages beyond the budget, which are handed out last.
func (w *walk) shed() {
	if w.order() == oldestFirst && w.kept > w.budget {
		w.forget(len(w.stretches) - 1)
	}
	for w.kept > w.budget && w.forgotten < len(w.stretches) {
		w.forget(w.forgotten)
		w.forgotten++
	}
}

func (w *walk) forget(i int) {
	w.kept -= int64(cap(w.stretches[i].data))
	w.stretches[i].data = nil
}
