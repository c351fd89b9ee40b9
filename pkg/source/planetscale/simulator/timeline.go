package simulator

import (
	"sort"
	"time"
)

// timeline says when the events that follow from the seed were created: their
// numbers count from 0, and their times never decrease with the number.
//
// Part of them tie. Events come in groups of tieGroup numbers, in some groups a
// run of several shares the time of its first, and the whole run is appended at
// that time, so that no tie is ever late.
type timeline struct {
	seed     uint64
	segments []segment
	count    int64

	step int64 // ns between the events that are appended as time passes; 0 for none
	next int64 // nominal time of the next of these, ns since 1970
}

// segment is a stretch of events at one pace.
type segment struct {
	first, count int64
	start, step  int64 // nominal time of the first, and between two, in ns
	floor        int64 // no event of it is earlier than that
	growing      bool  // made by the rate, so that it can be extended
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

// pass appends what the rate asks for until now.
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

// burst appends n events that end at now, a millisecond or less apart, within
// the last second; all at now if they are to tie.
func (t *timeline) burst(now, n int64, tie bool) {
	s := segment{count: n, start: now}
	if !tie && n > 1 {
		room := int64(time.Second)
		if t.count > 0 {
			room = min(room, now-t.at(t.count-1))
		}
		s.step = min(int64(time.Millisecond), room/n)
		s.start = now - (n-1)*s.step
	}
	t.push(s)
}

// at is the time of an event in ns since 1970.
func (t *timeline) at(number int64) int64 {
	i := sort.Search(len(t.segments), func(i int) bool { return t.segments[i].first > number }) - 1
	s := &t.segments[i]
	head, _ := t.run(number)
	head = max(head, s.first)
	nominal := s.start + (head-s.first)*s.step
	if room := min(s.step, maxJitter); room > 0 {
		nominal -= int64(mix(t.seed, uint64(head)) % uint64(room))
	}
	return max(nominal, s.floor)
}

// run is the stretch [head, end) of numbers that tie with the given one; only
// itself in most cases.
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

// before is how many events were created before a time, in ms since 1970.
// Milliseconds are what an event shows of its time.
func (t *timeline) before(ms int64) int64 {
	return int64(sort.Search(int(t.count), func(i int) bool { return t.at(int64(i))/1e6 >= ms }))
}
