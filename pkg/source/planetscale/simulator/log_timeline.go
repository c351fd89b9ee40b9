package simulator

import (
	"sort"
	"time"
)

// timeline decides when the generated events were created. Their numbers count from 0,
// and their times never decrease with the number.
//
// Some events tie. Events form groups of tieGroup numbers. In some groups a run of
// several events has the time of its first. The whole run is appended at that time, so
// a tie is never late.
type timeline struct {
	seed     uint64
	segments []segment
	count    int64

	step int64 // ns between events that are appended as time passes; 0 for none
	next int64 // nominal time of the next such event, ns since 1970
}

// segment is a number of consecutive events at one rate.
type segment struct {
	first, count int64
	start, step  int64 // nominal time of the first, and between two, in ns
	floor        int64 // no event of the segment is earlier
	growing      bool  // made by the rate, so it can be extended
	appended     int64 // when the whole segment was appended at once; 0 if it was not
}

const tieGroup = 16

// longestStep keeps the sum of a time and a step within an int64.
const longestStep = 1 << 61

// maxJitter bounds how long before its nominal time an event is created.
const maxJitter = int64(time.Second)

func newTimeline(c Config, now int64) timeline {
	t := timeline{seed: mix(c.Seed, 0x71e5)}
	step := int64(c.Spacing)
	t.push(segment{count: int64(c.Events), start: now - int64(c.Events-1)*step, step: step})
	if c.Rate > 0 {
		t.step = int64(min(max(1, float64(time.Second)/c.Rate), longestStep))
		t.next = now + t.step
	}
	return t
}

func (t *timeline) push(s segment) {
	if s.count == 0 {
		return
	}
	s.first = t.count
	if t.count > 0 {
		s.floor = t.at(t.count - 1)
	}
	t.segments = append(t.segments, s)
	t.count += s.count
}

// pass appends the events of the rate until now.
func (t *timeline) pass(now int64) {
	if t.step == 0 || now < t.next {
		return
	}
	due := (now-t.next)/t.step + 1
	_, end := t.run(t.count + due - 1)
	due = end - t.count
	if n := len(t.segments); n > 0 && t.segments[n-1].growing {
		t.segments[n-1].count += due
		t.count += due
	} else {
		t.push(segment{count: due, start: t.next, step: t.step, growing: true})
	}
	t.next += due * t.step
}

// burst appends n events: within the last second, at most a millisecond apart, the last
// one now. If they are to tie, all are created now.
func (t *timeline) burst(now, n int64, tie bool) {
	s := segment{count: n, start: now, appended: now}
	if !tie && n > 1 {
		span := int64(time.Second)
		if t.count > 0 {
			span = min(span, now-t.at(t.count-1))
		}
		s.step = min(int64(time.Millisecond), span/n)
		s.start = now - (n-1)*s.step
	}
	t.push(s)
}

// at returns the time of an event in ns since 1970.
func (t *timeline) at(number int64) int64 {
	i := sort.Search(len(t.segments), func(i int) bool { return t.segments[i].first > number }) - 1
	s := &t.segments[i]
	head, _ := t.run(number)
	head = max(head, s.first)
	nominal := s.start + (head-s.first)*s.step
	if jitter := min(s.step, maxJitter); jitter > 0 {
		nominal -= int64(mix(t.seed, uint64(head)) % uint64(jitter))
	}
	return max(nominal, s.floor)
}

// listed returns when an event became visible, in ns since 1970. The events at the start
// always were.
func (t *timeline) listed(number int64) int64 {
	i := sort.Search(len(t.segments), func(i int) bool { return t.segments[i].first > number }) - 1
	s := &t.segments[i]
	switch {
	case s.appended != 0:
		return s.appended
	case !s.growing:
		return t.at(number) / 1e6 * 1e6 // created_at has milliseconds
	}
	head, _ := t.run(number)
	return s.start + (max(head, s.first)-s.first)*s.step
}

// run returns the range [head, end) of numbers that tie with the given one. In most
// cases that is the number alone.
func (t *timeline) run(number int64) (head, end int64) {
	group := number / tieGroup
	r := mix(t.seed, ^uint64(group))
	if r%4 != 0 {
		return number, number + 1
	}
	head = group*tieGroup + int64(r>>8%(tieGroup-6))
	end = head + 2 + int64(r>>16%5)
	if number < head || number >= end {
		return number, number + 1
	}
	return head, end
}

// before counts the events created before a time in ms since 1970. An event shows its
// time in milliseconds.
func (t *timeline) before(ms int64) int64 {
	return int64(sort.Search(int(t.count), func(i int) bool { return t.at(int64(i))/1e6 >= ms }))
}
