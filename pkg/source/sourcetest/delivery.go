package sourcetest

import (
	"bytes"
	"context"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

var beginning = source.Start{}

const hour = time.Hour

func deliversAll(s *session) {
	all := s.append(250, hour)
	l, again := s.begin(beginning), s.begin(beginning)
	l.catchUp()
	if l.wantOnce(all); s.Failed() {
		return
	}
	l.wantOldestFirst(all)
	again.catchUp()
	for i, e := range l.received {
		want := all[i]
		switch {
		case !e.Time.Equal(want.Time):
			s.Fatalf("event %s has the time %s, want %s%s", e.ID, e.Time, want.Time, s.coarse(e.Time, want.Time))
		case e.Late || e.Problem != "" || e.Reject:
			s.Fatalf("event %s: late %t, problem %q, reject %t", e.ID, e.Late, e.Problem, e.Reject)
		case e.Organization == "" || e.Read.Before(s.began) || len(e.Raw) == 0:
			s.Fatalf("event %s: organization %q, read %s, %d bytes", e.ID, e.Organization, e.Read, len(e.Raw))
		case i < len(again.received) && !bytes.Equal(e.Raw, again.received[i].Raw):
			s.Fatalf("event %s has other bytes when it is read again", e.ID)
		}
	}
}

// wantOldestFirst requires that the first events came in this order.
func (l *lane) wantOldestFirst(events []Event) {
	l.Helper()
	for i, want := range events {
		if e := l.received[i]; e.ID != want.ID {
			l.Fatalf("event %d is %s of %s, want %s of %s: the oldest event comes first", i, e.ID, e.Time, want.ID, want.Time)
		}
	}
}

// coarse explains a time that lacks its fraction of a second.
func (s *session) coarse(got, want time.Time) string {
	if got.Sub(want).Abs() < time.Second && s.Precision < time.Second {
		return "; if the vendor's times are whole seconds, set Harness.Precision to time.Second"
	}
	return ""
}

func beginsNow(s *session) {
	s.append(150, time.Minute)
	l := s.begin(source.Start{Now: true})
	l.catchUp()
	l.wantOnce(nil)
	later := append(s.append(3, 0), s.append(1, 30*time.Second)...) // the last one is late
	l.until(later)
	l.wantOnce(later)
}

func beginsAtATime(s *session) {
	all := s.append(250, hour)
	l := s.begin(source.Start{Since: all[120].Time})
	l.catchUp()
	l.wantOnce(all[120:])
}

func deliversLate(s *session) {
	all := s.append(20, 0)
	l := s.begin(beginning)
	l.catchUp()
	late := s.append(2, time.Minute)
	l.until(late)
	l.wantOnce(append(all, late...))
	for _, e := range l.received {
		if want := e.ID == late[0].ID || e.ID == late[1].ID; e.Late != want {
			s.Errorf("event %s of %s: late %t, want %t", e.ID, e.Time, e.Late, want)
		}
	}
}

// deliversTies lists more events with one time than a page has, and later adds events with
// the time of the newest ones.
func deliversTies(s *session) {
	all := s.tie(150, time.Minute)
	l := s.begin(beginning)
	l.catchUp()
	for range 2 {
		more := s.tie(5, 0)
		l.until(more)
		all = append(all, more...)
	}
	l.wantOnce(all)
}

// tie adds n new events with the same time to the log.
func (s *session) tie(n int, age time.Duration) []Event {
	events := s.spread(n, s.began.Add(-age), 0)
	s.log.Append(events...)
	return events
}

func deliversReversed(s *session) {
	log, ok := s.log.(Reverser)
	if !ok {
		s.Logf("not checked: Harness.Log is no sourcetest.Reverser")
		return
	}
	log.Reverse()
	all := s.append(250, hour)
	l := s.begin(beginning)
	l.catchUp()
	if l.wantOnce(all); s.Failed() {
		return
	}
	l.wantOldestFirst(all)
	more := s.append(150, 0)
	l.until(more)
	l.wantOnce(append(all, more...))
}

// resumesBehindEachPage crashes behind each page in turn. It receives the page behind the
// last saved one before the crash, and again after it.
func resumesBehindEachPage(s *session) {
	all := s.append(2100, hour)
	for saved, done := 0, false; !done; saved++ {
		l := s.begin(beginning)
		for range saved {
			l.save(l.next())
		}
		kept := len(l.received)
		done = l.next().CaughtUp
		l.crash()
		for _, e := range l.received[kept:] {
			l.seen[e.ID]--
		}
		l.received = l.received[:kept]
		l.catchUp()
		if l.wantOnce(all); s.Failed() {
			s.Fatalf("that was after a crash behind page %d", saved)
		}
	}
}

// keepsToThePage crashes behind each page of a lane that takes few events at once.
func keepsToThePage(s *session) {
	const most = 33
	all := append(s.append(160, hour), s.tie(40, time.Minute)...)
	l := s.begin(beginning)
	l.most = most
	for caughtUp := false; !caughtUp; {
		p := l.next()
		if n := len(p.Events); n > most {
			s.Fatalf("a page has %d events, but Env.Page allows %d", n, most)
		}
		l.save(p)
		caughtUp = p.CaughtUp
		l.crash()
	}
	l.wantOnce(all)
	late := s.append(2, 30*time.Second)
	l.until(late)
	l.wantOnce(append(all, late...))
}

// resumesAfterAnyRequest stops the process during each request in turn, of those that a
// lane needs to catch up.
func resumesAfterAnyRequest(s *session) {
	all := s.append(350, hour)
	for n, stopped := 1, true; stopped; n++ {
		l := s.begin(beginning)
		stopped = l.stopAtRequest(n)
		l.crash()
		s.log.Script(nil)
		l.catchUp()
		if l.wantOnce(all); s.Failed() {
			s.Fatalf("that was after a stop at request %d", n)
		}
	}
}

// stopAtRequest receives pages until the nth request. It returns false if the lane has
// caught up before.
func (l *lane) stopAtRequest(n int) (stopped bool) {
	l.Helper()
	ctx, stop := context.WithTimeout(l.Context(), l.Patience)
	defer stop()
	requests := 0
	l.log.Script(func(Request) Fault {
		if requests++; requests < n {
			return None
		}
		stop()
		return Hang
	})
	l.resume()
	reader := l.reader
	for {
		var p source.Page
		var err error
		l.await("Next", func() { p, err = reader.Next(ctx) })
		if ctx.Err() != nil && err != nil {
			return true
		}
		if err != nil {
			l.Fatalf("Next: %v", err)
		}
		l.receive(p)
		l.save(p)
		if p.CaughtUp {
			return false
		}
	}
}
