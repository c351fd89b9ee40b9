// Package collectortest is a server for tests that takes events over HTTP, and produces
// every kind of trouble that a client must survive.
//
//	collector := collectortest.NewServer(collectortest.Config{})
//	server := httptest.NewServer(collector)
//
// It is strict: it refuses a request whose compression, media type or body is wrong, whose
// events are not as many as the request says, or which has a name (Idempotency-Key) that
// other events had before. Such requests are collected in Faults: a client is wrong, whatever
// it makes of the answer. A request with a bad event is refused as a whole with status 400,
// and nothing of it is taken.
//
// A server works with any transport of net/http, also in a testing/synctest bubble.
// It starts no goroutine and uses no clock but package time's.
package collectortest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Path is where a Server takes events. Requests to any other path get the status 404, except
// for TokenPath.
const Path = "/in/events"

// Config configures a server.
type Config struct {
	Method   string                           // default POST
	Query    string                           // of the address, which a client must send; default none
	MaxBytes int                              // of a body, decompressed: a larger one gets the status 413; default: no limit
	Allow    func(*http.Request, []byte) bool // whether the credential of a request with that body, as it was sent, is right; nil: always
	Identify func(event string) string        // the id of an event; nil: the event itself
	Refuse   func(event string) bool          // whether an event is bad; nil: none is
	Script   func(Request) Fault              // what goes wrong with a request; nil: nothing. Calls do not overlap.
	Taken    func(event string)               // is called for each event that is taken; nil: Events has them. Calls do not overlap.
	Client   Client                           // to which TokenPath gives tokens
}

// Request is a request to a server.
type Request struct {
	Number int // counts from 1
	Header http.Header
	Events []string
	Status int // of the answer; 0 if there was none, and while a Script decides
}

// Server takes events.
type Server struct {
	config Config

	mu       sync.Mutex
	requests []Request
	events   []string
	faults   []string
	names    map[string]string // the ids of the events of each name of a request
	tokens   issuer
}

// NewServer returns a server without events.
func NewServer(c Config) *Server {
	if c.Method == "" {
		c.Method = http.MethodPost
	}
	return &Server{config: c, names: map[string]string{}}
}

// SetScript replaces the script.
func (s *Server) SetScript(script func(Request) Fault) { s.change(func() { s.config.Script = script }) }

// SetAllow replaces the check of the credential.
func (s *Server) SetAllow(allow func(*http.Request, []byte) bool) {
	s.change(func() { s.config.Allow = allow })
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Requests returns all requests with events so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Events returns the events that were taken, in order. It is empty with Config.Taken.
func (s *Server) Events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Faults returns what was wrong with requests, other than bad events.
func (s *Server) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return // The client disconnected.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == TokenPath {
		s.tokens.serve(w, r, sent, s.config.Client)
		return
	}
	if r.URL.Path != Path || r.URL.RawQuery != s.config.Query {
		s.faults = append(s.faults, "a request to "+r.URL.RequestURI())
		reply(w, Answer{Status: http.StatusNotFound})
		return
	}
	s.serveEvents(w, r, sent)
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, sent []byte) {
	events, body, err := s.read(r, sent)
	if err != nil {
		s.faults = append(s.faults, err.Error())
		reply(w, Answer{Status: http.StatusUnsupportedMediaType, Raw: err.Error()})
		return
	}
	s.requests = append(s.requests, Request{Number: len(s.requests) + 1, Header: r.Header.Clone(), Events: events})
	at := &s.requests[len(s.requests)-1]
	var fault Fault
	if s.config.Script != nil {
		fault = s.config.Script(*at)
	}
	if fault.Delay > 0 {
		s.wait(r, fault.Delay)
		at = &s.requests[at.Number-1]
	}
	var answer Answer
	if !fault.trouble() || fault.Handled {
		answer = s.handle(r, sent, body, events)
	}
	if fault.Answer != nil {
		answer = *fault.Answer
	}
	switch {
	case fault.Reset:
		reset(w)
	case fault.Garbage:
		garble(w)
	case fault.Hang:
		s.wait(r, time.Hour)
		reset(w)
	case fault.Cut:
		cut(w, answer)
	default:
		at.Status = answer.Status
		reply(w, answer)
	}
}

// wait lets others be served meanwhile. It ends if the client disconnects.
func (s *Server) wait(r *http.Request, d time.Duration) {
	s.mu.Unlock()
	defer s.mu.Lock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// handle takes the events, or says why it does not.
func (s *Server) handle(r *http.Request, sent, body []byte, events []string) Answer {
	switch {
	case s.config.Client != Client{} && !s.tokens.knows(r):
		return Answer{Status: http.StatusUnauthorized, Raw: "unknown token " + r.Header.Get("Authorization")}
	case s.config.Allow != nil && !s.config.Allow(r, sent):
		return Answer{Status: http.StatusUnauthorized, Raw: "unauthorized: " + r.Header.Get("Authorization")}
	case s.config.MaxBytes > 0 && len(body) > s.config.MaxBytes:
		return Answer{Status: http.StatusRequestEntityTooLarge}
	case s.config.Refuse != nil && slices.ContainsFunc(events, s.config.Refuse):
		return Answer{Status: http.StatusBadRequest, Raw: "an event is bad"}
	}
	for _, e := range events {
		if s.config.Taken != nil {
			s.config.Taken(e)
			continue
		}
		s.events = append(s.events, e)
	}
	return Answer{Status: http.StatusAccepted, Raw: "ok"}
}

// read returns the events of a request and its decompressed body.
func (s *Server) read(r *http.Request, sent []byte) (events []string, body []byte, err error) {
	if r.Method != s.config.Method {
		return nil, nil, fmt.Errorf("method %s", r.Method)
	}
	if body, err = decompress(r.Header.Get("Content-Encoding"), sent); err != nil {
		return nil, nil, err
	}
	if events, err = split(r.Header.Get("Content-Type"), body); err != nil {
		return nil, nil, err
	}
	if n, err := strconv.Atoi(r.Header.Get("X-Sluice-Event-Count")); err != nil || n != len(events) {
		return nil, nil, fmt.Errorf("X-Sluice-Event-Count: %q for %d events", r.Header.Get("X-Sluice-Event-Count"), len(events))
	}
	name := r.Header.Get("Idempotency-Key")
	ids := s.identify(events)
	if before, known := s.names[name]; len(name) != 64 || known && before != ids {
		return nil, nil, fmt.Errorf("Idempotency-Key %q is none, or of other events", name)
	}
	s.names[name] = ids
	return events, body, nil
}

func (s *Server) identify(events []string) string {
	ids := slices.Clone(events)
	for i := range ids {
		if s.config.Identify != nil {
			ids[i] = s.config.Identify(ids[i])
		}
	}
	return strings.Join(ids, "\n")
}

func decompress(encoding string, sent []byte) ([]byte, error) {
	var from io.Reader
	var err error
	switch encoding {
	case "":
		return sent, nil
	case "gzip":
		from, err = gzip.NewReader(bytes.NewReader(sent))
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(sent), zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
			from = d
		}
	default:
		err = fmt.Errorf("Content-Encoding %q", encoding)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}

// split returns the events of a body.
func split(mediaType string, body []byte) ([]string, error) {
	switch mediaType {
	case "application/x-ndjson":
		lines, whole := strings.CutSuffix(string(body), "\n")
		if !whole {
			return nil, errors.New("the last line has no end")
		}
		return strings.Split(lines, "\n"), nil
	case "application/json":
		if !json.Valid(body) {
			return nil, fmt.Errorf("not JSON: %.100q", body)
		}
		var list []json.RawMessage
		if err := json.Unmarshal(body, &list); err != nil {
			return []string{string(body)}, nil
		}
		var events []string
		for _, e := range list {
			events = append(events, string(e))
		}
		return events, nil
	case "text/plain; charset=utf-8":
		return []string{string(body)}, nil
	}
	return nil, fmt.Errorf("Content-Type %q", mediaType)
}
