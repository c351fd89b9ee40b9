package collectortest

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is what goes wrong with a request. The zero Fault is none.
type Fault struct {
	Delay time.Duration // before the request is handled

	Answer  *Answer // in place of the server's own
	Reset   bool    // the connection is reset instead of an answer
	Hang    bool    // there is no answer until the client disconnects
	Cut     bool    // the answer ends in the middle of its body
	Garbage bool    // the answer is not HTTP

	// Handled makes the server handle the request before its answer is replaced, so that
	// the client does not learn the outcome. Otherwise it is not handled.
	Handled bool
}

func (f Fault) trouble() bool { return f.Answer != nil || f.Reset || f.Hang || f.Cut || f.Garbage }

// Answer is the answer to a request.
type Answer struct {
	Status     int
	RetryAfter int    // seconds; 0: no such header
	Location   string // of a redirect
	Raw        string // the body
}

func reply(w http.ResponseWriter, a Answer) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	if a.Location != "" {
		w.Header().Set("Location", a.Location)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write([]byte(a.Raw)) // an error means that the client disconnected
}

// cut sends a success of which the end is missing.
func cut(w http.ResponseWriter, a Answer) {
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Raw)+100))
	w.WriteHeader(a.Status)
	_, _ = w.Write([]byte(a.Raw + "cut"))
	_ = http.NewResponseController(w).Flush() // an error means that the client disconnected
	panic(http.ErrAbortHandler)
}

// reset closes the connection as a dying process does, for TCP with RST.
func reset(w http.ResponseWriter) {
	conn := hijack(w)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func garble(w http.ResponseWriter) {
	conn := hijack(w)
	_, _ = conn.Write([]byte("\x00\xff220 mail.example.com ESMTP\r\n"))
	_ = conn.Close()
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // closes the connection too
	}
	return conn
}
