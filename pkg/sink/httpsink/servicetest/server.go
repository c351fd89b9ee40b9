// Package servicetest imitates, for tests, the services to which presets of package httpsink
// post events. Each server is as strict as its vendor's documentation: it refuses what the
// vendor refuses, with the vendor's status and words, and does in silence what the vendor
// does in silence, such as cutting a long log. Where the documentation leaves something open
// the server refuses it.
//
// None of these services runs where this is tested, so the imitations stand for them.
package servicetest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Event is an event that a server took.
type Event struct {
	ID   string
	Body []byte // the record in it, if the server gets it whole
	Text string // what a person reads, if the service shows events to people
}

// Fault is what befalls a request in place of an answer.
type Fault struct {
	Status int               // answer so, if it is not 0
	Text   string            // of that answer
	Header map[string]string // of that answer
	Echo   bool              // repeat the request in that answer
	Lose   bool              // take the events, then end the connection without an answer
	Drop   bool              // end the connection without an answer
	Hang   bool              // answer only once the client is gone
}

// Request is a request for events, as a script sees it.
type Request struct {
	Number int // from 1
	Events int // how many events it has; 0 if it is malformed
}

// Server is a service. It is an http.Handler.
type Server struct {
	Path    string // at which it takes events
	Largest int    // body after decompression, in bytes
	TooMany string // what it says of a larger one

	// take reads a request. It returns the events and the answer, in which a status of
	// 200 to 299 means that they are taken.
	take func(r *http.Request, body []byte) ([]Event, Answer)
	// other answers requests elsewhere; nil: 404.
	other http.HandlerFunc
	// once says that the service takes an event with a known id for the same one.
	once bool

	mu       sync.Mutex
	script   func(Request) Fault
	refuse   func(Event) bool
	refusal  Answer
	requests int
	events   []Event
	broken   []string
}

// Answer is an answer of a service.
type Answer struct {
	Status int
	Text   string
}

func answered(status int, format string, args ...any) Answer {
	return Answer{status, fmt.Sprintf(format, args...)}
}

// Script decides what befalls requests from here on.
func (s *Server) Script(script func(Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Refuse decides which events the service takes for malformed: it then refuses the request
// that has one of them, as a whole.
func (s *Server) Refuse(refuse func(Event) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// Events returns the events that were taken, in that order, each as often as it was.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event(nil), s.events...)
}

// Requests returns how many requests for events came.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Broken returns what the sink should never do: a log that is cut in silence, markup that is
// not ours, a request beyond the service's limit.
func (s *Server) Broken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.broken...)
}

func (s *Server) breaks(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = append(s.broken, fmt.Sprintf(format, args...))
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != s.Path || r.Method != http.MethodPost {
		if s.other == nil {
			http.NotFound(w, r)
			return
		}
		s.other(w, r)
		return
	}
	body, answer := s.read(r)
	var events []Event
	if answer.Status == 0 {
		events, answer = s.take(r, body)
	}
	fault := s.count(len(events))
	switch {
	case fault.Hang:
		<-r.Context().Done()
		return
	case fault.Status != 0:
		for name, value := range fault.Header {
			w.Header().Set(name, value)
		}
		if fault.Echo {
			fault.Text += fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body)
		}
		reply(w, Answer{fault.Status, fault.Text})
		return
	case fault.Drop:
		panic(http.ErrAbortHandler)
	}
	if answer.Status/100 == 2 && !s.keep(events) {
		answer = s.refusal
	}
	if fault.Lose {
		panic(http.ErrAbortHandler)
	}
	reply(w, answer)
}

// read returns the body, decompressed.
func (s *Server) read(r *http.Request) ([]byte, Answer) {
	from := io.Reader(r.Body)
	switch coding := r.Header.Get("Content-Encoding"); coding {
	case "":
	case "gzip":
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, answered(http.StatusBadRequest, "not gzip")
		}
		from = unzipped
	default:
		return nil, answered(http.StatusUnsupportedMediaType, "Content-Encoding %s", coding)
	}
	body, err := io.ReadAll(io.LimitReader(from, int64(s.Largest)+1))
	switch {
	case err != nil:
		return nil, answered(http.StatusBadRequest, "the body ends early")
	case len(body) > s.Largest:
		s.breaks("a request has more than %d bytes", s.Largest)
		return nil, answered(http.StatusRequestEntityTooLarge, "%s", s.TooMany)
	}
	return body, Answer{}
}

// count numbers a request, and asks the script about it.
func (s *Server) count(events int) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.script == nil {
		return Fault{}
	}
	return s.script(Request{s.requests, events})
}

// keep takes events, all or none.
func (s *Server) keep(events []Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		if s.refuse != nil && s.refuse(e) {
			return false
		}
	}
	for _, e := range events {
		if s.once && slices.ContainsFunc(s.events, func(known Event) bool { return known.ID == e.ID }) {
			continue
		}
		s.events = append(s.events, Event{e.ID, bytes.Clone(e.Body), e.Text})
	}
	return true
}

func reply(w http.ResponseWriter, a Answer) {
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Text)))
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Text) // The client may be gone.
}
