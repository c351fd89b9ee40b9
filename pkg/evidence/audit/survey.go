package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// Survey compares what a lane settled with what its source lists.
type Survey struct {
	Settled Hours              // of the lane's saved position
	Place   source.Description // of the same position
	Doubted func() bool        // reports whether clocks disagree, after a listing

	// List lists the whole log, and calls visit with each event once. visit keeps nothing
	// of an event but a copy of its fields.
	List func(ctx context.Context, visit func(*source.Event)) error
}

// Outcome is what a survey found, and how it changes the count of the lane.
type Outcome struct {
	Result
	Missing  []source.Event // the oldest first: the lane delivers them, and counts them then
	Findings []Finding      // in the order of their hours

	corrections map[int64]Sum // so that nobody is told again
	until       int64         // earlier hours have left the log
	reach       time.Duration
}

const (
	// strays is how many events may be older than what else the log lists, such as one that
	// the source backdated. They do not show how far back the log reaches.
	strays = 24

	// purge is how much further back than its retention a log may reach: one that loses its
	// oldest events once a day.
	purge = 25 * time.Hour

	// mostMarks is how many events of hours that differ a survey looks at.
	mostMarks = 200_000

	// mostBytes is how many bytes of missing events a survey returns.
	mostBytes = 8 << 20
)

// Run lists the log. If something differs, it lists the log again, and reports what vanished
// or cannot be told only if both listings agree. If events are missing, it fetches them.
func (s *Survey) Run(ctx context.Context) (*Outcome, error) {
	o := &Outcome{Result: Result{At: time.Now().UTC()}, corrections: map[int64]Sum{}, until: math.MinInt64, reach: s.Settled.Reach}
	first, err := s.list(ctx, nil)
	if err != nil || first.events == 0 {
		return o, err
	}
	o.until, o.reach = hourOf(first.oldest[0]), max(o.reach, first.reach())
	c := s.span(first, o.reach)
	if c.from >= c.end {
		return o, nil
	}
	o.From, o.Result.Through = startOf(max(c.from, o.until)), startOf(c.end)
	hours := s.differing(first, c, o)
	if len(hours) == 0 {
		return o, nil
	}
	second, err := s.list(ctx, hours)
	if err != nil {
		return nil, err
	}
	missing := s.judge(o, hours, max(c.whole, s.span(second, o.reach).whole), second)
	if o.Vanished > 0 {
		o.reach = second.reach()
	}
	return o, s.fetch(ctx, o, missing)
}

// differing returns the hours of which another sum is listed than settled.
func (s *Survey) differing(l *listing, c span, o *Outcome) map[int64]*hour {
	hours := map[int64]*hour{}
	marks := uint64(0)
	all := maps.Clone(l.sums)
	maps.Copy(all, s.Settled.sums)
	for _, at := range slices.Sorted(maps.Keys(all)) {
		if at < c.from || at >= c.end {
			continue
		}
		listed := l.sums[at]
		o.Compared += listed.Events
		if settled := s.Settled.sums[at]; listed != settled && (listed.Events > 0 || at >= c.whole) {
			if marks += listed.Events; marks > mostMarks && len(hours) > 0 {
				o.Truncated = true
				continue
			}
			hours[at] = &hour{settled: settled, listed: listed}
		}
	}
	return hours
}

// span is hours: from one on, up to and without end. From whole on, the log still
// holds all events of an hour; of earlier ones it may have lost some.
type span struct{ from, whole, end int64 }

// span returns the hours that can be compared with a listing. The oldest event that
// is listed shows that the log holds all later ones. If the clocks agree, so does the time
// that the log reached back before, as long as that is within its retention.
func (s *Survey) span(l *listing, reach time.Duration) span {
	c := span{from: 0, whole: math.MaxInt64, end: 0}
	if !s.Settled.Since.IsZero() {
		c.from = hourOf(s.Settled.Since.Add(time.Hour - 1))
	}
	if !s.Place.Floor.IsZero() {
		c.end = hourOf(s.Place.Floor)
	}
	if l.events > 0 {
		c.whole = hourOf(l.edge().Add(l.took)) + 1
	}
	reach -= purge
	if !s.Place.Expires.IsZero() && !s.Place.Through.IsZero() {
		reach = min(reach, s.Place.Expires.Sub(s.Place.Through))
	}
	if reach > 0 && !s.Doubted() {
		now := time.Now()
		for _, t := range []time.Time{l.newest, s.Place.Through} {
			if t.After(now) {
				now = t
			}
		}
		c.whole = min(c.whole, hourOf(now.Add(-reach))+1)
	}
	c.whole = max(c.whole, c.from)
	return c
}

// hour is an hour that differs.
type hour struct {
	settled, listed Sum // listed the first time
	marks           []Mark
	ids             []string
}

// listing is what one listing of the log shows.
type listing struct {
	Hours
	events int
	oldest []time.Time // of the oldest events, ascending
	newest time.Time
	took   time.Duration
}

// list lists the log, and looks at the events of some hours.
func (s *Survey) list(ctx context.Context, hours map[int64]*hour) (*listing, error) {
	l, began := &listing{}, time.Now()
	err := s.visit(ctx, func(e *source.Event, m Mark) {
		l.see(e.Time)
		at := hourOf(e.Time)
		l.add(at, m)
		if h := hours[at]; h != nil && len(h.marks) < mostMarks {
			h.marks, h.ids = append(h.marks, m), append(h.ids, strings.Clone(e.ID))
		}
	})
	l.took = time.Since(began)
	return l, err
}

// visit lists the log, and calls visit with each event that counts.
func (s *Survey) visit(ctx context.Context, visit func(e *source.Event, m Mark)) error {
	return s.List(ctx, func(e *source.Event) {
		if !counts(e) {
			return
		}
		if m := MarkOf(e); !slices.Contains(s.Settled.apart, m.ID) {
			visit(e, m)
		}
	})
}

func (l *listing) see(at time.Time) {
	l.events++
	if at.After(l.newest) {
		l.newest = at
	}
	if i, _ := slices.BinarySearchFunc(l.oldest, at, time.Time.Compare); i <= strays {
		l.oldest = slices.Insert(l.oldest, i, at)
		l.oldest = l.oldest[:min(len(l.oldest), strays+1)]
	}
}

// edge is how far back the log reaches, whatever few events are older.
func (l *listing) edge() time.Time { return l.oldest[min(strays, l.events/10)] }

func (l *listing) reach() time.Duration {
	if l.events == 0 {
		return 0
	}
	return l.newest.Sub(l.edge())
}

// judge tells what happened in the hours that differ, and returns the hashes of the ids of
// events that are missing. whole is the first hour that the log must still hold.
func (s *Survey) judge(o *Outcome, hours map[int64]*hour, whole int64, again *listing) (missing map[uint64]bool) {
	verdicts, gone := map[int64]verdict{}, map[uint64]bool{}
	for at, h := range hours {
		v := solve(h.settled, h.marks)
		agree := again.sums[at] == h.listed && uint64(len(h.marks)) == h.listed.Events
		gone[v.id] = true
		if !v.plain() && !agree || (v.vanished > 0 || v.unclear) && at < whole {
			continue
		}
		verdicts[at] = v
	}
	missing = map[uint64]bool{}
	moved := map[uint64]string{} // listed in another hour than it was settled in
	for at, v := range verdicts {
		h := hours[at]
		listed := again.sums[at]
		for _, i := range v.missing {
			if id := h.marks[i].ID; gone[id] {
				moved[id] = h.ids[i]
			} else {
				missing[id] = true
				listed.remove(h.marks[i])
			}
		}
		listed.subtract(h.settled)
		o.corrections[at] = listed
	}
	for _, at := range slices.Sorted(maps.Keys(verdicts)) {
		o.tell(at, hours[at], verdicts[at], moved)
	}
	return missing
}

// tell adds what cannot be repaired to the findings.
func (o *Outcome) tell(at int64, h *hour, v verdict, moved map[uint64]string) {
	f := Finding{Hour: startOf(at), Settled: h.settled.Events, Listed: h.listed.Events}
	add := func(k Kind, events uint64) {
		f.Kind, f.Events = k, events
		o.Findings = append(o.Findings, f)
		switch k {
		case Vanished:
			o.Vanished += events
		case Altered:
			o.Altered += events
		case Unclear:
			o.Unclear++
		}
		f.ID, f.Hash = "", ""
	}
	switch {
	case v.unclear:
		add(Unclear, 0)
	case v.vanished == 1 && moved[v.id] != "":
		f.ID = moved[v.id]
		add(Altered, 1)
	case v.vanished > 0:
		if v.id != 0 {
			f.Hash = fmt.Sprintf("%016x", v.id)
		}
		add(Vanished, v.vanished)
	}
	switch {
	case v.altered >= 0:
		f.ID = h.ids[v.altered]
		add(Altered, 1)
	case v.changed:
		add(Altered, 2)
	}
}

// fetch lists the log once more for the events that are missing.
func (s *Survey) fetch(ctx context.Context, o *Outcome, missing map[uint64]bool) error {
	if len(missing) == 0 {
		return nil
	}
	size := 0
	err := s.visit(ctx, func(e *source.Event, m Mark) {
		if !missing[m.ID] {
			return
		}
		delete(missing, m.ID)
		if size += len(e.Raw); size > mostBytes && len(o.Missing) > 0 {
			o.Truncated = true
			return
		}
		late := *e
		late.Late = true
		o.Missing = append(o.Missing, late)
		if last := &s.Settled.Last; last.covers(hourOf(e.Time)) {
			o.Lateness = max(o.Lateness, last.At.Sub(e.Time)) // It was not listed then.
		}
	})
	slices.SortStableFunc(o.Missing, func(a, b source.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	o.Result.Missing = uint64(len(o.Missing))
	return err
}

// Apply changes the count as the outcome says. The lane saves it together with the events
// that were missing.
func (h *Hours) Apply(o *Outcome) {
	for at, c := range o.corrections {
		s := h.sums[at]
		s.join(c)
		h.set(at, s)
	}
	for at := range h.sums {
		if at < o.until {
			delete(h.sums, at)
		}
	}
	if o.until > 0 && startOf(o.until).After(h.Since) {
		h.Since = startOf(o.until)
	}
	h.Reach, h.Last, h.Audited = o.reach, o.Result, o.At
}
