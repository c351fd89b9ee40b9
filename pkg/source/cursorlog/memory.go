package cursorlog

import (
	"context"

	"github.com/sluice-siem/sluice/pkg/source"
)

// holding is the part of the lane's memory that a reader holds. It has a turn from when a
// walk meets something to return, or goes deeper than its first page, until all was
// returned. A poll that finds nothing needs none. A reader that fails leaves its turn to
// others: it keeps what it holds, and cannot go on at once.
type holding struct {
	memory source.Memory
	held   bool
}

// enter waits for a turn, unless the reader has one.
func (h *holding) enter(ctx context.Context) error {
	if h.held {
		return nil
	}
	err := h.memory.Enter(ctx)
	h.held = err == nil
	return err
}

func (h *holding) tryEnter() bool {
	h.held = h.held || h.memory.TryEnter()
	return h.held
}

func (h *holding) leave() {
	if h.held {
		h.memory.Leave()
	}
	h.held = false
}

// growth is how much memory a walk asks for at once.
const growth = 256 << 10

// fits reports whether the walk may keep what it keeps.
func (w *walk) fits() bool {
	if w.kept > w.budget {
		return false
	}
	more := w.kept - w.granted
	if more <= 0 {
		return true
	}
	for _, n := range []int64{max(more, growth), more} {
		if w.memory.Grow(n) {
			w.granted += n
			return true
		}
	}
	return false
}

// free gives back the memory of a stretch that was returned.
func (w *walk) free(st *stretch) {
	if !st.top {
		w.kept -= int64(cap(st.body) + cap(st.data))
	}
	if n := w.granted - w.kept; n >= 2*growth {
		w.granted -= n
		w.memory.Shrink(n)
	}
}

// close gives back the memory of all stretches.
func (w *walk) close() {
	w.memory.Shrink(w.granted)
	w.granted = 0
}
