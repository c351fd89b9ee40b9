package sourcetest

import (
	"bytes"
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/source"
)

// lane reads the log as a lane does: it receives pages and saves their positions.
type lane struct {
	*session
	source   source.Source
	reader   source.Reader
	most     int // events that a page may have; 0: any number
	saved    source.Position
	received []source.Event
	seen     map[string]int
}

// begin opens a source and resolves where to begin. At the end of the rule it ends the
// requests that hang, and then closes what is open: a source that never gives up must not
// block the clean-ups of the harness.
func (s *session) begin(at source.Start) *lane {
	s.Helper()
	l := &lane{session: s, source: s.Open(s.TB), seen: map[string]int{}}
	s.Cleanup(func() {
		s.log.Script(nil)
		l.crash()
	})
	if !l.retry("Start", l.start(at)) {
		s.Fatalf("Start has not succeeded within %s; %s", s.Patience, s.said())
	}
	return l
}

// start returns a function that resolves where to begin. A method that does not return
// still runs while the lane is closed, so the functions of a lane copy the source or the
// reader first.
func (l *lane) start(at source.Start) func(context.Context) error {
	src := l.source
	return func(ctx context.Context) (err error) {
		l.saved, err = src.Start(ctx, at)
		return err
	}
}

// crash forgets everything but the saved position. A reader is not closed while its
// Next may still run.
func (l *lane) crash() {
	l.Helper()
	l.stop()
	if l.source != nil {
		closing := l.source
		l.source = nil
		l.end("Close", closing.Close)
	}
}

// stop closes the reader.
func (l *lane) stop() {
	l.Helper()
	if l.reader == nil || l.stuck {
		return
	}
	closing := l.reader
	l.reader = nil
	l.end("Close of a reader", closing.Close)
}

// end calls Close of a source or a reader.
func (l *lane) end(what string, closing func() error) {
	l.Helper()
	l.await(what, func() {
		if err := closing(); err != nil {
			l.Errorf("%s: %v", what, err)
		}
	})
}

// resume opens a reader at the saved position, in a new process after a crash.
func (l *lane) resume() {
	l.Helper()
	if l.reader != nil {
		return
	}
	if l.source == nil {
		l.source = l.Open(l.TB)
	}
	var err error
	if l.reader, err = l.source.Open(l.saved, source.Env{Lane: "acme/test", Log: zerolog.Nop(), Page: l.most}); err != nil {
		l.Fatalf("Open at a position that was returned: %v", err)
	}
}

// next receives a page. It does not save the position.
func (l *lane) next() source.Page {
	l.Helper()
	page, ok := l.tryNext()
	if !ok {
		l.Fatalf("Next has not succeeded within %s; %s", l.Patience, l.said())
	}
	return page
}

func (l *lane) tryNext() (page source.Page, ok bool) {
	l.Helper()
	l.resume()
	reader := l.reader
	ok = l.retry("Next", func(ctx context.Context) (err error) {
		page, err = reader.Next(ctx)
		return err
	})
	if ok {
		l.receive(page)
	}
	return page, ok
}

// nextOnce calls Next once.
func (l *lane) nextOnce() (page source.Page, err error) {
	l.Helper()
	l.resume()
	reader := l.reader
	err = l.once("Next", func(ctx context.Context) (err error) {
		page, err = reader.Next(ctx)
		return err
	})
	l.receive(page)
	return page, err
}

func (l *lane) check() (text string, err error) {
	l.Helper()
	src := l.source
	err = l.once("Check", func(ctx context.Context) (err error) {
		text, err = src.Check(ctx)
		return err
	})
	return text, err
}

// receive notes the events of a page.
func (l *lane) receive(p source.Page) {
	for _, e := range p.Events {
		l.seen[e.ID]++
	}
	l.received = append(l.received, p.Events...)
}

func (l *lane) save(p source.Page) { l.saved = p.Next }

// catchUp receives and saves pages until no event waits.
func (l *lane) catchUp() {
	l.Helper()
	for {
		p := l.next()
		l.save(p)
		if p.CaughtUp {
			return
		}
	}
}

// until receives and saves pages until all events have arrived.
func (l *lane) until(events []Event) {
	l.Helper()
	for start := time.Now(); l.missing(events) > 0; {
		p, ok := l.tryNext()
		if !ok || time.Since(start) > l.Patience && l.missing(events) > 0 {
			l.explain()
			l.Fatalf("%d of %d events have not arrived within %s; %s", l.missing(events), len(events), l.Patience, l.said())
		}
		l.save(p)
	}
}

func (l *lane) missing(events []Event) (n int) {
	for _, e := range events {
		if l.seen[e.ID] == 0 {
			n++
		}
	}
	return n
}

// wantOnce requires that exactly these events were received, each of them once. It names
// a few of each kind that is wrong.
func (l *lane) wantOnce(events []Event) {
	l.Helper()
	lost, repeated, others, known := 0, 0, 0, map[string]bool{}
	complain := func(n *int, format string, args ...any) {
		if *n++; *n <= 3 {
			l.Errorf(format, args...)
		}
	}
	for _, e := range events {
		known[e.ID] = true
		switch n := l.seen[e.ID]; {
		case n == 0:
			complain(&lost, "event %s of %s was lost", e.ID, e.Time)
		case n > 1:
			complain(&repeated, "event %s of %s was delivered %d times", e.ID, e.Time, n)
		}
	}
	for _, e := range l.received {
		switch {
		case e.Gap:
			complain(&others, "a gap was reported, but nothing is missing")
		case !known[e.ID]:
			complain(&others, "event %s of %s is not one of the log's", e.ID, e.Time)
			known[e.ID] = true
		}
	}
	if lost+repeated+others > 0 {
		l.Errorf("of %d events %d were lost and %d repeated; %d others were delivered", len(events), lost, repeated, others)
		l.explain()
	}
}

// explain reports a cause of lost or repeated events that the events themselves show.
func (l *lane) explain() {
	l.Helper()
	first := map[string]source.Event{}
	for _, e := range l.received {
		if f, again := first[e.ID]; again && !bytes.Equal(e.Raw, f.Raw) {
			l.Errorf("two events have the id %q, one of %s and one of %s: decode an id that is unique in the log", e.ID, f.Time, e.Time)
			return
		}
		first[e.ID] = e
	}
	if l.reader == nil || l.stuck {
		return
	}
	if n := l.reader.Progress().Changed; n > 0 {
		l.Errorf("the reader met %d events with the id of another event: decode an id that is unique in the log", n)
	}
}
