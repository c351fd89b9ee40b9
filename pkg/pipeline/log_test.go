package pipeline_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

// eventLog is a source whose position is the number of events before it.
type eventLog struct {
	total int           // number of events in the end
	every time.Duration // between two events; 0: all are there from the start
	began time.Time
	page  int                 // events in a page; 0 is 10
	deaf  bool                // pages have as many, even if the lane wants fewer
	size  int                 // bytes of padding in an event
	quiet time.Duration       // until an idle reader says that time passed; 0 is a minute
	poll  time.Duration       // between two polls of an idle reader; 0 is 5 seconds
	start func() error        // called before Start returns; may be nil
	next  func(at int) error  // called before Next returns from position at; may be nil
	reads bool                // a Next that fails because of next has read before
	fails bool                // a Next that fails because of next discards its walk
	open  func(pos int) error // called before Open returns; may be nil
	large map[int]bool        // events of which no record is made
	marks map[int]bool        // events that are late, sent again and about the own token
	age   time.Duration       // age of a read that is still fresh; 0 is 15 seconds
	held  string              // why reads are held back
	walk  source.Progress     // what Progress returns besides what the reader knows
}

func (l *eventLog) visible() int {
	if l.every == 0 {
		return l.total
	}
	return min(l.total, int(time.Since(l.began)/l.every)+1)
}

func (l *eventLog) Start(_ context.Context, at source.Start) (source.Position, error) {
	if l.start != nil {
		if err := l.start(); err != nil {
			return nil, err
		}
	}
	if at.Now {
		return position(l.visible()), nil
	}
	return position(0), nil
}

func (l *eventLog) Open(pos source.Position, env source.Env) (source.Reader, error) {
	at, err := strconv.Atoi(string(pos))
	if err == nil && l.open != nil {
		err = l.open(at)
	}
	if l.deaf {
		env.Page = math.MaxInt
	}
	return &logReader{eventLog: l, at: at, most: env.Page}, err
}

func (l *eventLog) Describe(pos source.Position) (source.Description, error) {
	at, err := strconv.Atoi(string(pos))
	if err != nil || at == 0 {
		return source.Description{}, err
	}
	return source.Description{Event: l.time(at - 1)}, nil
}

func (l *eventLog) Check(context.Context) (string, error) { return "", nil }
func (l *eventLog) Usage() source.Usage                   { return source.Usage{} }
func (l *eventLog) Freshness() source.Freshness {
	return source.Freshness{Age: cmp.Or(l.age, 15*time.Second), Reason: l.held}
}
func (l *eventLog) Close() error { return nil }

func (l *eventLog) time(i int) time.Time {
	return l.began.Add(time.Duration(i) * max(l.every, time.Millisecond))
}

func (l *eventLog) event(i int) source.Event {
	raw := fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, i, bytes.Repeat([]byte("x"), l.size))
	e := source.Event{ID: id(i), Time: l.time(i), Organization: "acme", Action: "branch.created", Raw: raw}
	if l.large[i] {
		e.Reject, e.Problem = true, "too large"
	}
	e.Late, e.Replayed, e.OwnToken = l.marks[i], l.marks[i], l.marks[i]
	return e
}

type logReader struct {
	*eventLog
	at     int
	most   int  // events in a page
	idle   bool // an empty page said that nothing waits
	mu     sync.Mutex
	seen   source.Progress
	closed bool
}

func (r *logReader) Next(ctx context.Context) (source.Page, error) {
	if r.next != nil {
		if err := r.next(r.at); err != nil {
			if r.reads {
				r.looked(false)
			}
			if r.fails {
				r.walk.WalksFailed++
			}
			return source.Page{}, err
		}
	}
	if r.at == r.visible() && r.idle {
		if err := r.wait(ctx); err != nil {
			return source.Page{}, err
		}
	}
	var p source.Page
	for n := min(cmp.Or(r.page, 10), r.most); r.at < r.visible() && len(p.Events) < n; r.at++ {
		p.Events = append(p.Events, r.event(r.at))
	}
	p.Next, p.CaughtUp = position(r.at), r.at == r.visible()
	r.idle = p.CaughtUp
	r.looked(p.CaughtUp)
	return p, nil
}

// wait polls until there is an event, or until it must return a page that says that time
// passed.
func (r *logReader) wait(ctx context.Context) error {
	told := time.Now().Add(cmp.Or(r.quiet, time.Minute))
	for r.at == r.visible() && time.Now().Before(told) {
		look := min(cmp.Or(r.poll, 5*time.Second), time.Until(told))
		if r.at < r.total {
			look = min(look, time.Until(r.time(r.at)))
		}
		select {
		case <-time.After(look):
			r.looked(true)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *logReader) looked(caughtUp bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.LastRead, r.seen.CaughtUp = time.Now(), caughtUp
}

func (r *logReader) Progress() source.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.walk
	p.LastRead, p.CaughtUp = r.seen.LastRead, r.seen.CaughtUp
	if r.closed {
		panic("Progress was called after Close")
	}
	return p
}

func (r *logReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

func position(at int) source.Position { return source.Position(strconv.Itoa(at)) }
func id(i int) string                 { return fmt.Sprintf("e%06d", i) }

func ids(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, id(i))
	}
	return all
}
