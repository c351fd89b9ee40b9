// Package hectest is an HTTP Event Collector for tests. It refuses events with
// Splunk's codes, acknowledges as Splunk does, and produces every kind of trouble
// that a client must survive.
//
//	hec := hectest.NewServer(hectest.Config{Token: "secret", Ack: true})
//	server := httptest.NewServer(hec)
//
// It replaces Splunk where Splunk is not available. It follows Splunk's
// documentation and reports by users of other clients. Where these do not say which
// of two errors comes first, it checks the token, then the channel, then the events
// in their order; of each event the form, the index, the event and the fields.
//
// Events are taken one by one. The first refused event ends the request: events
// before it are indexed, events after it are not checked.
//
// With acknowledgement, an event stays in memory for Config.AckDelay and is then
// indexed. Its status is true once. Config.Script makes trouble; see Fault. The raw
// endpoint and tokens in the address are not supported.
//
// A server works with any transport of net/http, also in a testing/synctest bubble.
// It starts no goroutine and uses no clock but package time's.
package hectest

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config configures a server.
type Config struct {
	Token   string   // of "Authorization: Splunk …"; required
	Indexes []string // that the token may write; nil: any

	Ack      bool          // indexer acknowledgement (useACK of the token)
	AckDelay time.Duration // time until an event is indexed; default 0: at once

	MaxBytes   int64 // limit of a body, compressed or not (max_content_length); default 838,860,800 as Splunk's
	Sticky     bool  // a load balancer leads each client to its indexer with a cookie
	Renew      bool  // with Sticky: the cookie has a new value in each answer, but the same indexer, as AWSALB of AWS
	Firewall   bool  // a web application firewall adds cookies to each answer: a known name with a new value, and a new name
	Scatter    int   // number of indexers; a request without a cookie goes to the next one; default 1
	Strict     bool  // an indexer refuses a query about a channel without requests, instead of answering false
	OneBased   bool  // invalid-event-number counts from one instead of zero
	Unnumbered bool  // there is no invalid-event-number, and no event of a request with a bad one is indexed

	// Refuse may refuse a well-formed event with a code such as 6. Code 0 accepts it.
	// Nil accepts all.
	Refuse func(Event) (code int)

	// Script returns the fault of a request. Nil: no faults. Calls do not overlap.
	Script func(Request) Fault

	// Indexed is called for each event when it is indexed, in that order. Calls do not
	// overlap. Nil: the server stores the events for Events.
	Indexed func(Event)

	// Confirmed is called for each event when the client gets proof that it is
	// indexed: a success without acknowledgement, a status of true with it. A client
	// need not send the event again after that.
	Confirmed func(Event)
}

// Paths of a Request.
const (
	PathEvent  = "/services/collector/event"
	PathAck    = "/services/collector/ack"
	PathHealth = "/services/collector/health"
)

// Request is a request to a server.
type Request struct {
	Number  int    // counts from 1
	Path    string // PathEvent, PathAck or PathHealth, also if the request used another name of it
	Channel string // of X-Splunk-Request-Channel or the query; may be empty
	Header  http.Header
	Body    []byte // decompressed
	Events  int    // envelopes in the body, as far as it can be parsed; 0 for other paths
	Status  int    // of the answer; 0 if there was none, and while a Script decides
}

// Server is an HTTP Event Collector.
type Server struct {
	config Config

	mu       sync.Mutex
	requests []Request
	indexers []*indexer
	moves    int // how often an indexer replaced another one
	events   []Event
	disabled bool
}

// NewServer returns a server without events.
func NewServer(c Config) *Server {
	if c.MaxBytes == 0 {
		c.MaxBytes = 838_860_800 // [http_input] max_content_length in limits.conf
	}
	s := &Server{config: c}
	for range max(1, c.Scatter) {
		s.indexers = append(s.indexers, newIndexer())
	}
	return s
}

// SetToken replaces the accepted token.
func (s *Server) SetToken(token string) { s.change(func() { s.config.Token = token }) }

// SetDisabled disables or enables the token.
func (s *Server) SetDisabled(disabled bool) { s.change(func() { s.disabled = disabled }) }

// SetIndexes replaces the indexes that the token may write; none: any.
func (s *Server) SetIndexes(indexes ...string) { s.change(func() { s.config.Indexes = indexes }) }

// SetAck turns the token's indexer acknowledgement on or off.
func (s *Server) SetAck(on bool) { s.change(func() { s.config.Ack = on }) }

// SetScript replaces the script.
func (s *Server) SetScript(script func(Request) Fault) {
	s.change(func() { s.config.Script = script })
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Requests returns all requests so far, without their bodies.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Events returns the indexed events, in order. It is empty with Config.Indexed.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return slices.Clone(s.events)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := paths[r.URL.Path]
	if !ok {
		reply(w, Answer{Status: http.StatusNotFound, HTML: true})
		return
	}
	if r.Header.Get("User-Agent") == "" {
		// forceHttp10=auto in inputs.conf.
		w.Header().Set("Connection", "close")
	}
	body, early := s.read(r)
	asked, fault := s.meet(Request{Path: path, Channel: channelOf(r), Header: r.Header.Clone(), Body: body})
	if !pause(r, fault.Delay) {
		return
	}
	a := s.answer(r, asked, fault, early)
	switch {
	case fault.Hang:
		<-r.Context().Done()
	case fault.Reset:
		reset(w)
	default:
		s.note(asked.Number, a.Status)
		reply(w, a)
	}
}

var paths = map[string]string{
	"/services/collector":            PathEvent,
	"/services/collector/event":      PathEvent,
	"/services/collector/event/1.0":  PathEvent,
	"/services/collector/ack":        PathAck,
	"/services/collector/ack/1.0":    PathAck,
	"/services/collector/health":     PathHealth,
	"/services/collector/health/1.0": PathHealth,
}

// meet stores a request and calls the script.
func (s *Server) meet(asked Request) (Request, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if asked.Path == PathEvent {
		asked.Events = count(asked.Body)
	}
	asked.Number = len(s.requests) + 1
	var fault Fault
	if s.config.Script != nil {
		fault = s.config.Script(asked)
	}
	kept := asked
	kept.Body = nil
	s.requests = append(s.requests, kept)
	return asked, fault
}

func (s *Server) note(number, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[number-1].Status = status
}

// answer handles a request as far as its fault allows.
func (s *Server) answer(r *http.Request, asked Request, fault Fault, early *Answer) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	at := s.lead(r, asked)
	if fault.Move {
		s.moves++
		s.indexers[at] = newIndexer()
	}
	var a Answer
	switch {
	case fault.Handled:
		s.handle(r, asked, s.indexers[at], fault, early)
	case fault.trouble() && s.takeFirst(asked, s.indexers[at], fault.Taken):
	default:
		fault.Answer = nil
		a = s.handle(r, asked, s.indexers[at], fault, early)
	}
	if fault.Answer != nil {
		a = *fault.Answer
	}
	a.cookies = s.cookies(r, asked, at)
	return a
}

func (s *Server) handle(r *http.Request, asked Request, in *indexer, fault Fault, early *Answer) Answer {
	if asked.Path == PathHealth {
		return Answer{Status: http.StatusOK, Code: 17}
	}
	if r.Method != http.MethodPost {
		return Answer{Status: http.StatusMethodNotAllowed, HTML: true}
	}
	if early != nil {
		return *early
	}
	if a := s.authorize(r); a != nil {
		return *a
	}
	if a := s.checkChannel(asked); a != nil {
		return *a
	}
	if asked.Path == PathAck {
		return s.acknowledge(asked, in, fault)
	}
	return s.take(asked, in, fault)
}

// pause waits for d. It returns false if the client disconnects first.
func pause(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
