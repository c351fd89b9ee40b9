package sourcetest

import (
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/source"
)

// survives answers every third request with the fault.
func survives(fault Fault) func(*session) {
	return func(s *session) {
		all := s.append(1100, hour)
		n := 0
		s.log.Script(func(Request) Fault {
			if n++; n%3 == 0 {
				return fault
			}
			return None
		})
		l := s.begin(beginning)
		l.until(all)
		more := s.append(150, 0)
		l.until(more)
		l.wantOnce(append(all, more...))
	}
}

// survivesALostCursor refuses a cursor for good, as a server does whose event of the cursor
// is gone. First the log has a single page, and every cursor is refused. Then the first
// cursor of a longer log is. An event that leaves the log then and one that is new move the
// others to other pages, so that another listing has other cursors.
func survivesALostCursor(s *session) {
	if s.Local {
		s.Logf("not checked: Harness.Local says that there are no cursors")
		return
	}
	s.log.Script(func(r Request) Fault {
		if r.Cursor != "" {
			return Unknown
		}
		return None
	})
	all := s.append(5, 2*hour)
	l := s.begin(beginning)
	l.until(all)
	more, last := s.append(1100, time.Minute), s.events(1, s.began)
	lost := ""
	s.log.Script(func(r Request) Fault {
		if lost == "" && r.Cursor != "" {
			lost = r.Cursor
			s.log.Delete(all[0].ID)
			s.log.Append(last...)
		}
		if r.Cursor != "" && r.Cursor == lost {
			return Unknown
		}
		return None
	})
	l.until(more)
	l.until(last)
	l.wantOnce(append(append(all, more...), last...))
}

// waits asks the client to wait at its first request, and calls two methods meanwhile.
func waits(s *session) {
	if s.Local {
		s.Logf("not checked: Harness.Local says that nothing asks to wait")
		return
	}
	all := s.append(250, hour)
	var mu sync.Mutex
	var until time.Time
	early := 0
	s.log.Script(func(Request) Fault {
		mu.Lock()
		defer mu.Unlock()
		if until.IsZero() {
			until = time.Now().Add(Wait)
			return Throttled
		}
		if left := time.Until(until); left > 0 {
			if early++; early == 1 {
				s.Errorf("a request was sent %s before the end of the wait", left.Round(time.Millisecond))
			}
		}
		return None
	})
	l := s.begin(beginning)
	_, err := l.nextOnce()
	if class := failure.Class(err); err != nil && class != string(source.Throttled) {
		s.Errorf("Next, when it is asked to wait: the class of the error is %q, want %q: %v", class, source.Throttled, err)
	}
	if _, err := l.check(); err != nil {
		s.Errorf("Check, which must wait as Next does: %v", err)
	}
	l.until(all)
	l.wantOnce(all)
}

// reportsAGap deletes all delivered events from the log. Others may have been deleted with
// them.
func reportsAGap(s *session) {
	l := s.begin(beginning)
	known := s.append(20, 10*time.Second)
	l.until(known)
	left := s.events(1, l.describe().Through.Add(s.Precision+10*time.Millisecond))
	l.crash()
	for _, e := range known {
		s.log.Delete(e.ID)
	}
	s.log.Append(left...)
	first := l.gap()
	l.crash() // before the position behind the gap is saved
	if again := l.gap(); again.ID != first.ID {
		s.Errorf("a gap that is reported again has another id: %s, then %s", first.ID, again.ID)
	}
	if len(first.Raw) == 0 || first.Action == "" || first.Time.IsZero() {
		s.Errorf("the gap has action %q, time %s and %d bytes", first.Action, first.Time, len(first.Raw))
	}
	l.catchUp()
	gaps := 0
	for _, e := range l.received {
		if e.Gap {
			gaps++
		}
	}
	if l.missing(left) > 0 || gaps != 2 {
		s.Errorf("%d of %d events are missing that were left, and a gap was reported %d times, want twice", l.missing(left), len(left), gaps)
	}
}

// gap receives pages until one has a gap. It does not save that page.
func (l *lane) gap() source.Event {
	l.Helper()
	for start := time.Now(); time.Since(start) < l.Patience; {
		p, ok := l.tryNext()
		if !ok {
			break
		}
		for _, e := range p.Events {
			if e.Gap {
				return e
			}
		}
		l.save(p)
	}
	l.Fatalf("no gap was reported within %s, although all delivered events are gone from the log; %s", l.Patience, l.said())
	return source.Event{}
}
