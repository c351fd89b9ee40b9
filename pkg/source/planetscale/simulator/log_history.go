package simulator

import (
	"iter"
	"time"
)

// ever is everything that was visible at any time, oldest first.
func (l *eventLog) ever() iter.Seq[listed] {
	return func(yield func(listed) bool) {
		i := 0
		for number := l.born; number < l.count; number++ {
			p := l.placeOf(number)
			for ; i < len(l.extras) && l.extras[i].compare(p) < 0; i++ {
				if !yield(listed{l.extras[i].place, l.extras[i]}) {
					return
				}
			}
			if !yield(listed{place: p}) {
				return
			}
		}
		for ; i < len(l.extras); i++ {
			if !yield(listed{l.extras[i].place, l.extras[i]}) {
				return
			}
		}
	}
}

// event returns the whole history of an event.
func (l *eventLog) event(e listed) Event {
	told := Event{ID: l.idOf(e), Raw: l.append(make([]byte, 0, typicalSize), e)}
	if v := l.versionsOf(e); v != nil {
		told.Former = v[:len(v)-1]
	}
	var created, deleted int64
	if e.extra != nil {
		created, deleted = e.extra.created, e.extra.deleted
		told.Listed = time.Unix(0, e.extra.listed)
	} else {
		created, deleted = l.created(e.minor), l.deleted[e.minor]
		told.Listed = time.Unix(0, l.listed(e.minor))
	}
	told.Created = time.UnixMilli(created)
	told.Gone = earliest(l.expired(created), deleted)
	return told
}

// expired returns when an event of that time (ms) was removed by retention or a purge, in
// ns; 0 if it was not.
func (l *eventLog) expired(created int64) int64 {
	var at int64
	for _, p := range l.purges {
		if created < p.before {
			at = p.at
			break
		}
	}
	if end := (created+1)*1e6 + l.retention; l.retention > 0 && end <= l.now && (at == 0 || end < at) {
		at = end
	}
	return at
}

// earliest returns the earlier of two times in ns. 0 is no time.
func earliest(a, b int64) time.Time {
	switch {
	case a == 0 && b == 0:
		return time.Time{}
	case a == 0 || b != 0 && b < a:
		return time.Unix(0, b)
	}
	return time.Unix(0, a)
}
