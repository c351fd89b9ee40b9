package audit

import (
	"maps"
	"slices"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Hours is what a lane settled. It is a value: a copy made with Clone does not change with
// it, so a lane changes a copy and keeps it once it is saved.
type Hours struct {
	Since   time.Time     // every event of that time and later is counted; zero: every event
	Audited time.Time     // end of the last audit, or when counting began
	Reach   time.Duration // the longest time between the oldest and the newest event that an audit listed
	Last    Result        // of the last audit; zero before the first

	sums  map[int64]Sum // by hour since 1970
	apart []uint64      // hashes of the ids of events that count nowhere, the latest last
}

// The most hours and hashes that a position keeps: 27 bytes an hour at most, and 8 a hash.
const (
	mostHours = 1000
	mostApart = 256
)

// Begin returns the count of a lane that begins to count at a position.
func Begin(at source.Description, now time.Time) Hours {
	h := Hours{Since: at.Event, Audited: now}
	if at.Floor.After(h.Since) {
		h.Since = at.Floor
	}
	if !h.Since.IsZero() {
		h.Since = h.Since.Add(time.Millisecond) // The position names events of the same time.
	}
	return h
}

// Clone returns a copy.
func (h *Hours) Clone() Hours {
	c := *h
	c.sums, c.apart = maps.Clone(h.sums), slices.Clone(h.apart)
	return c
}

// Add counts an event.
func (h *Hours) Add(e *source.Event) {
	switch {
	case counts(e):
		h.add(hourOf(e.Time), MarkOf(e))
	case e.Problem != "":
		h.setApart(MarkOf(e).ID) // Its time may be usable when an audit lists it.
	}
}

// counts reports whether an event counts in an hour. What Sluice adds to a log does not.
// Neither does an event that was not decoded: its time may be that of a neighbour.
func counts(e *source.Event) bool { return !e.Gap && !e.Audit && e.Note == "" && e.Problem == "" }

func (h *Hours) add(hour int64, m Mark) {
	s := h.sums[hour]
	s.Add(m)
	h.set(hour, s)
}

func (h *Hours) set(hour int64, s Sum) {
	if s.Events == 0 {
		delete(h.sums, hour)
		return
	}
	if h.sums == nil {
		h.sums = map[int64]Sum{}
	}
	h.sums[hour] = s
}

func (h *Hours) setApart(ids ...uint64) {
	h.apart = append(h.apart, ids...)
	if n := len(h.apart) - mostApart; n > 0 {
		h.apart = slices.Delete(h.apart, 0, n)
	}
}

// Join counts what another count has.
func (h *Hours) Join(o *Hours) {
	for hour, s := range o.sums {
		all := h.sums[hour]
		all.join(s)
		h.set(hour, all)
	}
	h.setApart(o.apart...)
	for len(h.sums) > mostHours {
		oldest := slices.Min(slices.Collect(maps.Keys(h.sums)))
		delete(h.sums, oldest)
		if end := startOf(oldest + 1); end.After(h.Since) {
			h.Since = end
		}
	}
}

// Len returns the number of hours with events.
func (h *Hours) Len() int { return len(h.sums) }

// hourOf returns the hour of a time, counted since 1970.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func startOf(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }
