package cursorlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

const (
	requestTimeout = 30 * time.Second // for an answer with its body
	pageLimit      = 100              // events that a page has at most, by default
	blindPause     = 10 * time.Second // where the server asks for a pause and does not say how long

	// maxPause is the longest pause. Servers count requests by the minute, so a client
	// that sent none for a minute is within its limit again. A server that asks for a
	// longer pause gets a probe once a minute.
	maxPause = time.Minute
)

// requester sends requests through the client. It keeps to the budget, sets a timeout,
// and requests a smaller page if one is too large.
type requester struct {
	client   Client
	maxLimit int // events that a page has at most
	budget   *Budget
	clock    *clock
	op       string  // the operation that errors name
	beside   *beside // nil: no other process goes first

	mu      sync.Mutex
	answers map[string]uint64
	limit   int // of the last page that was not too large; 0 if there was none yet
	smaller int // answers that were too large, for the pages now being requested
}

// list requests one page; an empty cursor is the top. A page that is too large is
// requested again with half the limit, down to a single event. The next page is first
// requested with twice the limit that succeeded.
func (q *requester) list(ctx context.Context, cursor string, u urgency) (*page, error) {
	retried := 0
	defer func() { q.sawSmaller(-retried) }()
	for limit := q.firstLimit(); ; limit /= 2 {
		p, err := q.request(ctx, cursor, limit, u)
		if err == nil {
			q.sawLimit(limit)
		}
		if !errors.As(err, new(tooLarge)) || limit == 1 {
			return p, err
		}
		retried++
		q.sawSmaller(1)
	}
}

func (q *requester) firstLimit() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit == 0 {
		return q.maxLimit
	}
	return min(2*q.limit, q.maxLimit)
}

func (q *requester) sawLimit(limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = limit
}

func (q *requester) sawSmaller(more int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.smaller += more
}

// retriedSmaller is how many answers were too large, for the pages now being requested.
func (q *requester) retriedSmaller() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.smaller
}

// request requests a page. If the answer does not say whether anything follows, it
// requests one event behind the page to find out.
func (q *requester) request(ctx context.Context, cursor string, limit int, u urgency) (*page, error) {
	p, unsure, err := q.send(ctx, cursor, limit, u)
	if err != nil || !unsure {
		return p, err
	}
	if p.Cursor == "" {
		return nil, q.fault(source.Malformed, errors.New("the answer has no cursor and does not say whether anything follows"))
	}
	behind, _, err := q.send(ctx, p.Cursor, 1, u)
	if err != nil && !errors.As(err, new(tooLarge)) {
		return nil, err
	}
	p.HasNext = err != nil || len(behind.Entries) > 0
	return p, nil
}

// send sends one request.
func (q *requester) send(ctx context.Context, cursor string, limit int, u urgency) (p *page, unsure bool, err error) {
	if q.beside != nil {
		if err := q.beside.wait(ctx); err != nil {
			return nil, false, err
		}
	}
	g, err := q.budget.acquire(ctx, u)
	if err != nil {
		return nil, false, err
	}
	timeout := requestTimeout
	if limit == 1 {
		timeout += requestTimeout // The event may be very large.
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent, machine := time.Now(), q.clock.now()
	answer, err := q.client.List(ctx, cursor, limit)
	err = q.conclude(g, answer, err)
	if err != nil {
		return nil, false, err
	}
	p, err = q.read(answer, reading{sent: sent, machine: machine, date: answer.serverTime(sent)})
	return p, answer.Unsure, err
}

// serverTime is a time of the server's clock at which it had not yet read the log: its
// date less the duration of the request, since it may write the date when the answer is
// complete. It is zero if there is no date.
func (a *Answer) serverTime(sent time.Time) time.Time {
	if a.Date.Unix() <= 0 {
		return time.Time{}
	}
	return a.Date.Add(-time.Since(sent)).UTC()
}

// conclude counts an answer, reports it to the budget, and classifies its error for the
// reader.
func (q *requester) conclude(g *grant, answer Answer, err error) error {
	counted := "error"
	if answer.Status != 0 {
		counted = strconv.Itoa(answer.Status)
	}
	q.mu.Lock()
	q.answers[counted]++
	q.mu.Unlock()
	var classified *source.Error
	switch {
	case err == nil:
	case errors.As(err, &classified) && classified.Class == source.Throttled:
		err = q.pause(answer, classified)
		q.budget.answered(g, false)
		return err
	case classified != nil && classified.Op == "":
		err = fmt.Errorf("%s: %w", q.op, err)
	case classified != nil:
	case errors.As(err, new(cursorRefused)) || errors.As(err, new(tooLarge)):
		err = q.fault(source.Malformed, err)
	default:
		err = q.fault(source.Unavailable, err)
	}
	q.budget.answered(g, err == nil || answer.Status != 0)
	return err
}

// pause holds all requests back for as long as the server asks for, up to maxPause.
func (q *requester) pause(answer Answer, asked *source.Error) error {
	wait := min(asked.RetryAfter, maxPause)
	if wait <= 0 {
		wait = blindPause
	}
	status := "too many requests"
	if answer.Status != 0 {
		status = fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status))
	}
	text := q.budget.pause(status, wait)
	if said := asked.Err.Error(); said != "" {
		text += ": " + said
	}
	return &source.Error{Op: q.op, Class: source.Throttled, Err: errors.New(text), Hint: asked.Hint, RetryAfter: wait}
}

// read skims an answer and learns the time from it.
func (q *requester) read(answer Answer, clocks reading) (*page, error) {
	p := &page{clocks: clocks, ahead: q.clock.ahead(clocks), read: time.Now().UTC(), body: answer.Body}
	if err := p.skim(q.client); err != nil {
		return nil, q.fault(source.Malformed, fmt.Errorf("the answer is not a list of events: %w", err))
	}
	q.clock.learn(p)
	return p, nil
}

func (q *requester) fault(class source.Class, err error) error {
	return &source.Error{Op: q.op, Class: class, Err: err}
}

func (q *requester) usage() source.Usage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return source.Usage{
		Answers: maps.Clone(q.answers), BudgetLeft: q.budget.left(), BudgetUsed: q.budget.total(), ClockSkew: q.clock.apart(),
	}
}
