package simulator

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// below and above are the places before and after everything in the log.
var (
	below = place{major: math.MinInt64}
	above = place{major: math.MaxInt64 - 1, class: aboveGenerated, minor: math.MaxInt64}
)

// stretch is a number of consecutive events of the log.
type stretch struct {
	events []listed
	plain  bool // its events are as generated
	more   bool // the log has events behind it
}

// scan returns up to n events that follow a place towards newer or older ones.
func (l *eventLog) scan(from place, newer bool, n int) stretch {
	if newer {
		return l.scanNewer(from, n)
	}
	return l.scanOlder(from, n)
}

func (l *eventLog) scanNewer(from place, n int) stretch {
	s := stretch{events: make([]listed, 0, min(n, maxLimit)), plain: true}
	number := max(l.generatedBefore(from), l.first)
	if from.class == generated && from.minor >= l.first {
		number++
	}
	i := l.extrasBefore(from)
	if i < len(l.extras) && l.extras[i].place == from {
		i++
	}
	for number < l.count || i < len(l.extras) {
		var e listed
		if i < len(l.extras) && (number >= l.count || l.extras[i].compare(l.placeOf(number)) < 0) {
			e = listed{l.extras[i].place, l.extras[i]}
			i++
		} else {
			e = listed{place: l.placeOf(number)}
			number++
		}
		if !l.addVisible(&s, e, n) {
			break
		}
	}
	return s
}

func (l *eventLog) scanOlder(from place, n int) stretch {
	s := stretch{events: make([]listed, 0, min(n, maxLimit)), plain: true}
	number := min(l.generatedBefore(from), l.count) - 1
	i := l.extrasBefore(from) - 1
	for number >= l.first || i >= 0 {
		var e listed
		if i >= 0 && (number < l.first || l.extras[i].compare(l.placeOf(number)) > 0) {
			e = listed{l.extras[i].place, l.extras[i]}
			i--
		} else {
			e = listed{place: l.placeOf(number)}
			number--
		}
		if !l.addVisible(&s, e, n) {
			break
		}
	}
	return s
}

// addVisible adds an event to the stretch if it is visible; false if the stretch is
// full.
func (l *eventLog) addVisible(s *stretch, e listed, n int) bool {
	_, deleted := l.deleted[e.minor]
	switch {
	case e.extra != nil && !l.visible(e.extra), e.extra == nil && deleted:
		return true
	case len(s.events) == n:
		s.more = true
		return false
	}
	s.plain = s.plain && l.versionsOf(e) == nil
	s.events = append(s.events, e)
	return true
}

const (
	// defaultLimit and maxLimit are documented on the reference page of the
	// audit log: "limit … (max 100)", default 25.
	defaultLimit = 25
	maxLimit     = 100
)

// query holds the parameters of a request.
type query struct {
	startingAfter, endingBefore string
	limit                       int
}

// selection is the page a query selects.
type selection struct {
	events  []listed // in the order of the listing
	plain   bool
	hasNext bool
	hasPrev bool
}

// selectPage finds the page; false if its cursor is not in the log.
func (l *eventLog) selectPage(q query, c *Config) (selection, bool) {
	cursor := q.startingAfter
	if cursor == "" {
		cursor = q.endingBefore
	}
	if cursor == "" {
		return l.selectAfter(l.top(c.Order), c.Order, q.limit, false), true
	}
	e, ok := l.find(cursor)
	switch {
	case !ok && c.Purged == FirstPage:
		return l.selectAfter(l.top(c.Order), c.Order, q.limit, false), true
	case !ok:
		return selection{}, c.Purged == EmptyPage
	case q.startingAfter != "":
		return l.selectAfter(e.place, c.Order, q.limit, true), true
	case c.EndingBefore == Naive:
		return l.selectNaive(e.place, c.Order, q.limit), true
	}
	return l.selectBefore(e.place, c.Order, q.limit), true
}

// top is the place before the first event of the listing.
func (l *eventLog) top(o Order) place {
	if o == OldestFirst {
		return below
	}
	return above
}

func (l *eventLog) selectAfter(from place, o Order, n int, hasPrev bool) selection {
	s := l.scan(from, o == OldestFirst, n)
	return selection{events: s.events, plain: s.plain, hasNext: s.more, hasPrev: hasPrev}
}

// selectBefore is the page that ends just before a place.
func (l *eventLog) selectBefore(from place, o Order, n int) selection {
	s := l.scan(from, o == NewestFirst, n)
	slices.Reverse(s.events)
	return selection{events: s.events, plain: s.plain, hasNext: true, hasPrev: s.more}
}

// selectNaive is the first page of the listing, ended by a place.
func (l *eventLog) selectNaive(end place, o Order, n int) selection {
	s := l.scan(l.top(o), o == OldestFirst, n)
	if i := slices.IndexFunc(s.events, func(e listed) bool { return e.place == end }); i >= 0 {
		s.events = s.events[:i]
	}
	return selection{events: s.events, plain: s.plain, hasNext: true}
}

// Listing is a page before it is rendered. A fault may alter it.
type Listing struct {
	HasNext, HasPrev bool
	Start, End       string            // cursors; empty for null
	Data             []json.RawMessage // the events, in the order of the listing
	DataFirst        bool              // data comes before the other keys
	Extra            string            // further members of the envelope, such as `"k":1,"l":2`
}

func (l *eventLog) listing(s selection) *Listing {
	page := &Listing{HasNext: s.hasNext, HasPrev: s.hasPrev}
	if n := len(s.events); n > 0 {
		page.Start, page.End = l.idOf(s.events[0]), l.idOf(s.events[n-1])
	}
	return page
}

// appendPage renders a page without copying its events.
func (l *eventLog) appendPage(dst []byte, s selection) []byte {
	dst = append(l.listing(s).appendHead(append(dst, '{')), `,"data":[`...)
	for i, e := range s.events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = l.append(dst, e)
	}
	return append(dst, "]}"...)
}

func (p *Listing) appendHead(dst []byte) []byte {
	dst = strconv.AppendBool(append(dst, `"type":"list","has_next":`...), p.HasNext)
	dst = strconv.AppendBool(append(dst, `,"has_prev":`...), p.HasPrev)
	dst = appendCursor(append(dst, `,"cursor_start":`...), p.Start)
	return appendCursor(append(dst, `,"cursor_end":`...), p.End)
}

func appendCursor(dst []byte, cursor string) []byte {
	if cursor == "" {
		return append(dst, "null"...)
	}
	return strconv.AppendQuote(dst, cursor)
}

// encode renders a page that was altered.
func (p *Listing) encode() []byte {
	data := append(append([]byte(`"data":[`), bytes.Join(rawBytes(p.Data), []byte(","))...), ']')
	head := p.appendHead(nil)
	if p.Extra != "" {
		head = append(append(head, ','), p.Extra...)
	}
	if p.DataFirst {
		head, data = data, head
	}
	return slices.Concat([]byte("{"), head, []byte(","), data, []byte("}"))
}

func rawBytes(messages []json.RawMessage) [][]byte {
	all := make([][]byte, len(messages))
	for i, m := range messages {
		all[i] = m
	}
	return all
}
