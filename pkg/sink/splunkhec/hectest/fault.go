package hectest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is what befalls a request. The zero Fault is none.
type Fault struct {
	Delay time.Duration // before the request is looked at

	// Move has another indexer answer from this request on, with a new cookie. The
	// one before took with it what it had not indexed, and all that it could have
	// acknowledged.
	Move bool

	// Forget has the events taken and answered for as always, and never indexed.
	Forget bool

	// Answer is given in place of the server's own. The request is not looked at,
	// apart from its first Taken events, which are taken all the same.
	// A bad one among these is refused as always.
	Answer *Answer
	Taken  int

	Reset bool // the connection is reset in place of an answer
	Hang  bool // there is no answer until the client leaves

	// Handled has the request handled in full before Answer, Reset or Hang take the
	// place of the answer to it: the client cannot know.
	Handled bool
}

// trouble reports whether the server's own answer is not given.
func (f Fault) trouble() bool { return f.Answer != nil || f.Reset || f.Hang }

// Answer is one of a server's.
type Answer struct {
	Status     int
	Code       int    // of HEC
	Text       string // default: Splunk's for the code
	Number     *int   // invalid-event-number
	AckID      *int64
	RetryAfter int    // seconds; 0: no such header
	Location   string // of a redirect
	HTML       bool   // a page of Splunk's web server, or of a proxy, in place of all the above
	Raw        string // a body in place of all the above

	acks    map[string]bool // in place of all the above
	cookies []*http.Cookie
}

// texts are the codes of HEC, as Splunk words them.
var texts = map[int]string{
	0: "Success", 1: "Token disabled", 2: "Token is required", 3: "Invalid authorization", 4: "Invalid token",
	5: "No data", 6: "Invalid data format", 7: "Incorrect index", 8: "Internal server error", 9: "Server is busy",
	10: "Data channel is missing", 11: "Invalid data channel", 12: "Event field is required",
	13: "Event field cannot be blank", 14: "ACK is disabled", 15: "Error in handling indexed fields",
	16: "Query string authorization is not enabled", 17: "HEC is healthy", 18: "HEC is unhealthy, queues are full",
	19: "HEC is unhealthy, ack service unavailable", 20: "HEC is unhealthy, queues are full, ack service unavailable",
	21: "Invalid token", 22: "Token disabled", 23: "Server is shutting down",
	24: "Success, queue is approaching its capacity", 25: "Success, ack channel is approaching its capacity",
	26: "Queue is at capacity", 27: "Ack channel is at capacity",
}

func (a Answer) body() (contentType string, body []byte) {
	switch {
	case a.Raw != "":
		return "text/plain; charset=UTF-8", []byte(a.Raw)
	case a.HTML:
		text := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
		return "text/html; charset=UTF-8", fmt.Appendf(nil, "<!doctype html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", text, text)
	case a.acks != nil:
		return "application/json; charset=UTF-8", encode(map[string]any{"acks": a.acks})
	}
	text := a.Text
	if text == "" {
		text = texts[a.Code]
	}
	return "application/json; charset=UTF-8", encode(struct {
		Text   string `json:"text"`
		Code   int    `json:"code"`
		Number *int   `json:"invalid-event-number,omitempty"`
		AckID  *int64 `json:"ackId,omitempty"`
	}{text, a.Code, a.Number, a.AckID})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return b
}

func reply(w http.ResponseWriter, a Answer) {
	contentType, body := a.body()
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	if a.Location != "" {
		w.Header().Set("Location", a.Location)
	}
	for _, c := range a.cookies {
		http.SetCookie(w, c)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(body) // A client that left is its own affair.
}

// reset closes the connection as a process does that dies: over TCP by RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // closes it too
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
