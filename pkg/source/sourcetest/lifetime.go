package sourcetest

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

func checks(s *session) {
	all := s.append(3, hour)
	l := s.begin(beginning)
	if text, err := l.check(); err != nil || text == "" {
		s.Errorf("Check returned %q, %v", text, err)
	}
	s.log.Script(func(Request) Fault { return Unavailable })
	_, err := l.check()
	s.wantClass("Check", err)
	_, err = l.nextOnce()
	s.wantClass("Next", err)
	s.log.Script(nil)
	l.catchUp()
	l.wantOnce(all)
}

func reportsFreshness(s *session) {
	s.append(3, hour)
	l := s.begin(beginning)
	l.resume()
	if p := l.reader.Progress(); !p.LastRead.IsZero() || p.CaughtUp {
		s.Errorf("before the first read: %+v", p)
	}
	l.catchUp()
	if p := l.reader.Progress(); p.LastRead.Before(s.began) || !p.CaughtUp {
		s.Errorf("caught up: %+v", p)
	}
	if f := l.source.Freshness(); f.Age <= 0 {
		s.Errorf("a fresh read is at most %s old", f.Age)
	}
	answers := uint64(0)
	for _, n := range l.source.Usage().Answers {
		answers += n
	}
	if answers == 0 && !s.Local {
		s.Errorf("no answer was counted")
	}
}

// servesLanes runs lanes of one source at the same time, from different positions.
func servesLanes(s *session) {
	all := s.append(450, hour)
	shared := s.begin(beginning)
	ctx, cancel := context.WithTimeout(s.Context(), s.Patience)
	defer cancel()
	var running sync.WaitGroup
	var lanes []*lane
	for _, since := range []int{0, 100, 449} {
		l := &lane{session: s, source: shared.source, seen: map[string]int{}}
		if err := s.once("Start", l.start(source.Start{Since: all[since].Time})); err != nil {
			s.Fatalf("Start: %v", err)
		}
		l.resume()
		lanes = append(lanes, l)
		running.Go(func() {
			l.follow(ctx)
			l.wantOnce(all[since:])
		})
	}
	s.await("Next of several lanes", running.Wait)
	for _, l := range lanes {
		l.stop()
	}
}

// follow receives pages until the lane has caught up. Other lanes may run meanwhile.
func (l *lane) follow(ctx context.Context) {
	for caughtUp := false; !caughtUp; {
		p, err := l.reader.Next(ctx)
		if err != nil {
			l.Errorf("Next of a lane beside others: %v", err)
			return
		}
		l.receive(p)
		l.reader.Progress()
		caughtUp = p.CaughtUp
	}
}

func endsWithTheContext(s *session) {
	all := s.append(5, hour)
	l := s.begin(beginning)
	l.catchUp()
	ctx, cancel := context.WithCancel(s.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	reader := l.reader
	s.await("Next, after its context has ended,", func() {
		if _, err := reader.Next(ctx); err == nil {
			s.Errorf("Next returned no error when its context ended")
		}
	})
	more := s.append(5, 0)
	l.until(more)
	l.wantOnce(append(all, more...))
}

func closesWhileHanging(s *session) {
	before := goroutines()
	all := s.append(5, hour)
	l := s.begin(beginning)
	l.resume()
	reader := l.reader
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	hanging, ended := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(hanging) })
	s.log.Script(func(Request) Fault { once(); return Hang })
	go func() {
		defer close(ended)
		if p, err := reader.Next(ctx); err == nil {
			s.Errorf("Next returned %d events although its request hangs", len(p.Events))
		}
	}()
	s.await("Next, to send a request,", func() { <-hanging })
	cancel()
	s.await("Next, after its context has ended,", func() { <-ended })
	l.crash()
	s.log.Script(nil)
	l.catchUp()
	l.wantOnce(all)
	l.crash()
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		left := leftOver(before, goroutines())
		if left == "" {
			return
		}
		if time.Since(start) > s.Patience {
			s.Fatalf("Close left a goroutine behind:\n%s", left)
		}
	}
}
