package simulator

import "time"

// Request is one request for the audit log.
type Request struct {
	N             int       // counts requests from 1
	Time          time.Time // of the server's clock
	Host          string    // the host it was sent to
	StartingAfter string    // cursor; empty for none
	EndingBefore  string    // cursor; empty for none
	Limit         int       // number of events asked for, after clamping; 0 if it was not a number
	Again         bool      // the same page was requested before
	Ends          int       // how many answers before it reached the end of the listing
	Status        int       // of the answer; 0 while there is none, or if the connection was cut before it
}

// pageName is the same for two requests for the same page. The limit is not part of it:
// a request for half a page is a request for that page.
type pageName struct{ startingAfter, endingBefore string }

func (r *Request) page() pageName { return pageName{r.StartingAfter, r.EndingBefore} }

// fewestRequests is the number of latest requests that are always remembered. At most
// about twice as many are.
const fewestRequests = 1 << 16

// requestLog remembers the latest requests.
type requestLog struct {
	total  int
	latest []Request
	seen   map[pageName]int // times that a page occurs in latest
	ends   int              // answers that reached the end of the listing
}

func (l *requestLog) add(r Request) Request {
	if len(l.latest) >= 2*fewestRequests {
		l.forget(fewestRequests)
	}
	l.total++
	r.N, r.Ends = l.total, l.ends
	r.Again = l.seen[r.page()] > 0
	l.seen[r.page()]++
	l.latest = append(l.latest, r)
	return r
}

func (l *requestLog) forget(n int) {
	for i := range n {
		name := l.latest[i].page()
		if l.seen[name]--; l.seen[name] == 0 {
			delete(l.seen, name)
		}
	}
	l.latest = append(l.latest[:0], l.latest[n:]...)
}

func (l *requestLog) answered(n, status int) {
	if i := n - 1 - l.total + len(l.latest); i >= 0 {
		l.latest[i].Status = status
	}
}

// since counts the requests after a time.
func (l *requestLog) since(t time.Time) int {
	n := 0
	for i := len(l.latest) - 1; i >= 0 && l.latest[i].Time.After(t); i-- {
		n++
	}
	return n
}
