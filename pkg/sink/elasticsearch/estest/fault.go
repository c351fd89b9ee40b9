package estest

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

	// Answer replaces the server's own; the request is not handled.
	Answer *Answer

	Reset bool // the connection is reset instead of an answer
	Hang  bool // there is no answer until the client disconnects
	Cut   bool // the request is handled, and the connection ends within the answer

	// Handled makes the server handle the request before Answer, Reset or Hang replaces
	// its answer, so that the client does not learn the outcome.
	Handled bool

	// Item replaces the outcome of an action of a bulk request, by its index. The document
	// is not created, unless Item's Taken is set. Nil, or an empty Type: no fault.
	Item func(i int) ItemFault

	// Twist changes the items of the answer, after all was handled.
	Twist func(items []json.RawMessage) []json.RawMessage
}

// ItemFault is what goes wrong with one action.
type ItemFault struct {
	Status       int
	Type, Reason string
	Taken        bool // the document was created, and the answer denies it
}

// Busy is the error of an action that the queue of a node had no room for.
var Busy = ItemFault{Status: 429, Type: "es_rejected_execution_exception", Reason: "rejected execution of primary operation"}

// Unavailable is the error of an action whose shard had no primary in time.
var Unavailable = ItemFault{Status: 503, Type: "unavailable_shards_exception", Reason: "[.ds-logs][0] primary shard is not active Timeout: [1m]"}

// trouble reports whether the fault replaces the server's own answer.
func (f Fault) trouble() bool { return f.Answer != nil || f.Reset || f.Hang }

// Answer is the answer to a request.
type Answer struct {
	Status       int
	Type, Reason string // of the error
	RetryAfter   int    // seconds; 0: no such header
	Location     string // of a redirect
	HTML         bool   // a page of a proxy instead of the error
	Raw          string // a body instead of all the above

	body any // instead of all the above
}

func (a Answer) encode() (contentType string, body []byte) {
	switch {
	case a.Raw != "":
		return "application/json", []byte(a.Raw)
	case a.HTML:
		text := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
		return "text/html; charset=UTF-8", fmt.Appendf(nil, "<!doctype html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", text, text)
	case a.body != nil:
		return "application/json", encode(a.body)
	}
	cause := map[string]any{"type": a.Type, "reason": a.Reason}
	return "application/json", encode(map[string]any{
		"error":  map[string]any{"root_cause": []any{cause}, "type": a.Type, "reason": a.Reason},
		"status": a.Status,
	})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible for what this package encodes
	}
	return b
}

// reply writes the answer; of one that is cut, a half of it.
func (s *Server) reply(w http.ResponseWriter, a Answer, cut bool) {
	contentType, body := a.encode()
	if s.config.Flavor == Elasticsearch && !a.HTML {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	if a.Location != "" {
		w.Header().Set("Location", a.Location)
	}
	w.WriteHeader(a.Status)
	if cut {
		_, _ = w.Write(body[:len(body)/2]) // an error means that the client disconnected
		_ = http.NewResponseController(w).Flush()
		reset(w)
		return
	}
	_, _ = w.Write(body)
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

// pause waits, and reports whether the client is still there.
func pause(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}
