package hectest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is what goes wrong with a request. The zero Fault is none.
type Fault struct {
	Delay time.Duration // before the request is handled

	// Move makes another indexer answer from this request on, with a new cookie. The
	// events and acknowledgements in the old one's memory are lost.
	Move bool

	// Forget makes the server answer as usual but never index the events.
	Forget bool

	// Answer replaces the server's own. The request is not handled, except that its
	// first Taken events are taken. A bad event among these is refused as usual.
	Answer *Answer
	Taken  int

	Reset bool // the connection is reset instead of an answer
	Hang  bool // there is no answer until the client disconnects

	// Handled makes the server handle the whole request before Answer, Reset or Hang
	// replaces its answer, so that the client does not learn the outcome.
	Handled bool
}

// trouble reports whether the fault replaces the server's own answer.
func (f Fault) trouble() bool { return f.Answer != nil || f.Reset || f.Hang }

// Answer is the answer to a request.
type Answer struct {
	Status     int
	Code       int    // of HEC
	Text       string // default: Splunk's for the code
	Number     *int   // invalid-event-number
	AckID      *int64
	RetryAfter int    // seconds; 0: no such header
	Location   string // of a redirect
	HTML       bool   // a page of Splunk's web server, or of a proxy, instead of all the above
	Raw        string // a body instead of all the above

	acks    map[string]bool // instead of all the above
	cookies []*http.Cookie
}

// texts are Splunk's texts of HEC's codes.
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
		panic(err) // impossible for strings and numbers
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
	_, _ = w.Write(body) // an error means that the client disconnected
}

// reset closes the connection as a dying process does, for TCP with RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // closes the connection too
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
