package console

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// Activity remembers the events of the last seven days that the lanes read, each once,
// however many lanes read it and however often. It holds a bounded number of bytes.
//
// It counts events by the hour of their time. Each hour knows the events that it counted,
// by a hash of their ids. If there is no room, Activity forgets the oldest whole hour and
// accepts no event of that hour any more, so it never counts an event twice. Names are
// counted for a day, and given up first. The newest events are also kept whole.
//
// Of a source whose events arrive faster than anybody can read, only the last ones are kept
// whole, so that a catch-up costs little.
//
// An event without a usable time is counted in no hour. It is kept whole, at the time at
// which it was read.
type Activity struct {
	seed maphash.Seed
	most int64 // bytes, those of recent not included

	mu      sync.Mutex
	sources map[string]*followed
	hours   map[int64]*hour
	oldest  int64 // the oldest hour that accepts events
	daily   int64 // the oldest hour that counts names
	bytes   int64 // of all hours
	recent  recent
}

// Limits of an Activity.
const (
	week = 7 * 24 // hours that are counted
	day  = 24     // hours of which names are counted

	// ahead is how far ahead of the clock the time of an event may be. Clocks differ.
	ahead = time.Hour
)

// followed is a source.
type followed struct {
	name      string
	salt      uint64 // makes the hashes of this source different from those of others
	catalogue *transform.Catalogue
	from      time.Time // events of this time and later were read since the process began
	skipped   time.Time // events until then were not kept whole, although they were among the newest; zero if all were
}

// NewActivity returns an empty one that holds at most so many bytes. A quarter, and at most
// 2 MiB, is for the events that are kept whole.
func NewActivity(maxBytes int64) *Activity {
	whole := min(maxBytes/4, 2<<20)
	return &Activity{
		seed: maphash.MakeSeed(), most: maxBytes - whole,
		sources: map[string]*followed{}, hours: map[int64]*hour{},
		recent: recent{most: whole, slots: map[uint64]*slot{}},
	}
}

// Observer returns a function that remembers the events of a source. A lane calls it with
// each page that it reads, from one goroutine at a time; caughtUp is that of the page. The
// function keeps none of the slices and strings. Each lane has an observer of its own.
func (a *Activity) Observer(src string, c *transform.Catalogue) func(events []source.Event, caughtUp bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.sources[src]
	if f == nil {
		f = &followed{name: src, salt: rand.Uint64(), catalogue: c, from: time.Now()}
		a.sources[src] = f
	}
	begun := false
	return func(events []source.Event, caughtUp bool) {
		if len(events) == 0 {
			return
		}
		now := time.Now()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.advance(hourOf(now))
		if !begun {
			begun = f.begin(events, now)
		}
		a.observe(f, events, now, caughtUp)
	}
}

// begin learns from the first events of a lane from when on it reads the log: the oldest
// comes first, but a late one says nothing. It reports whether it learned that.
func (f *followed) begin(events []source.Event, now time.Time) bool {
	for i := range events {
		if e := &events[i]; !e.Late && usable(e.Time, now) {
			if e.Time.Before(f.from) {
				f.from = e.Time
			}
			return true
		}
	}
	return false
}

func usable(t, now time.Time) bool { return t.Unix() >= 0 && t.Before(now.Add(ahead)) }

// hourOf returns the number of an hour since 1970.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func beginOf(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }

// advance forgets the hours that are older than a week, and names that are older than a
// day. If the clock was put back so far that no hour would accept events, it begins anew.
func (a *Activity) advance(now int64) {
	if a.oldest > now+1 {
		a.oldest, a.daily, a.bytes = 0, 0, 0
		clear(a.hours)
	}
	if oldest := now - week + 1; a.oldest < oldest {
		for number := range a.hours {
			if number < oldest {
				a.forget(number)
			}
		}
		a.oldest = oldest
	}
	if daily := now - day + 1; a.daily < daily {
		for number, h := range a.hours {
			if number < daily {
				a.bytes -= h.forgetNames()
			}
		}
		a.daily = daily
	}
}

func (a *Activity) forget(number int64) {
	a.bytes -= a.hours[number].bytes
	delete(a.hours, number)
}

// observe is called with the mutex held.
func (a *Activity) observe(f *followed, events []source.Event, now time.Time, caughtUp bool) {
	unhurried := caughtUp || a.recent.unhurried(len(events), now)
	oldest := beginOf(a.oldest)
	var h *hour
	for i := range events {
		e := &events[i]
		t := e.Time
		odd := !usable(t, now)
		if odd {
			if t = e.Read; t.After(now) {
				t = now
			}
		}
		if t.Before(oldest) {
			// Too old to be counted. An hour that was forgotten for want of room may
			// still have events among the newest.
			if hourOf(t) <= hourOf(now)-week || !a.recent.takes(t) {
				continue
			}
		}
		key := f.key(a.seed, e.ID)
		if !odd && !t.Before(oldest) {
			if h == nil || h.number != hourOf(t) {
				h = a.hour(hourOf(t))
			}
			if h.seen.has(key) {
				continue
			}
			h = a.count(h, f, e, key)
			oldest = beginOf(a.oldest)
		}
		if a.recent.takes(t) {
			a.recent.offer(f, e, t, key, unhurried)
		}
	}
}

// key hashes the id of an event of the source. It is never 0.
func (f *followed) key(seed maphash.Seed, id string) uint64 {
	return max(maphash.String(seed, id)^f.salt, 1)
}

// hour returns an hour that accepts events.
func (a *Activity) hour(number int64) *hour {
	h := a.hours[number]
	if h == nil {
		h = newHour(number)
		a.bytes += h.bytes
		a.hours[number] = h
	}
	return h
}

// count counts an event that its hour has not seen. If there is no room, it forgets names,
// and then whole hours, the oldest first. If one of them is the event's own, count returns
// nil. An hour that alone has no room counts no more.
func (a *Activity) count(h *hour, f *followed, e *source.Event, key uint64) *hour {
	for a.bytes+h.needs() > a.most && !h.more {
		if a.forgetNames(h.number) {
			continue
		}
		first := h.number
		for number := range a.hours {
			first = min(first, number)
		}
		if first == h.number && len(a.hours) == 1 {
			h.more = true
			break
		}
		a.forget(first)
		if a.oldest = first + 1; first == h.number {
			return nil
		}
	}
	if !h.more {
		a.bytes += h.add(f, e, key, h.number >= a.daily)
	}
	return h
}

// forgetNames forgets the names of the oldest hour that has some, if it is before another.
func (a *Activity) forgetNames(before int64) bool {
	first := before
	for number, h := range a.hours {
		if h.named > 0 {
			first = min(first, number)
		}
	}
	if first == before {
		return false
	}
	a.bytes -= a.hours[first].forgetNames()
	a.daily = first + 1
	return true
}

// Hour counts the events of an hour.
type Hour struct {
	Begin   time.Time
	Known   bool // the events were counted as far as the lanes have read
	Events  int
	More    bool // there were more, or may have been: those that an earlier process read, or for which there was no room
	Highest int  // severity of the catalogue, 0 to 10
}

// Hours returns the last seven days, the oldest hour first; the last one is that of now.
// src selects a source; empty is all.
func (a *Activity) Hours(src string, now time.Time) []Hour {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(hourOf(now))
	from, known := a.from(src)
	hours := make([]Hour, week)
	for i := range hours {
		number := hourOf(now) - week + 1 + int64(i)
		hours[i] = Hour{Begin: beginOf(number), Known: known && number >= a.oldest && beginOf(number+1).After(from)}
		hours[i].More = hours[i].Known && beginOf(number).Before(from)
		if h := a.hours[number]; h != nil {
			n := h.all
			if src != "" {
				n = h.of(a.sources[src])
			}
			hours[i].Events, hours[i].Highest, hours[i].More = int(n.events), int(n.highest), hours[i].More || h.more
		}
	}
	return hours
}

// from returns from when on the events of a source were read since the process began; of
// all sources if src is empty. known is false if there is no such source.
func (a *Activity) from(src string) (from time.Time, known bool) {
	if f := a.sources[src]; f != nil {
		return f.from, true
	}
	if src != "" {
		return time.Time{}, false
	}
	for _, f := range a.sources {
		if f.from.After(from) {
			from = f.from
		}
	}
	return from, len(a.sources) > 0
}
