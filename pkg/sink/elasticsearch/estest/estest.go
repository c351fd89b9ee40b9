// Package estest is an Elasticsearch or OpenSearch for tests. It is strict about the bulk
// API, refuses requests and documents in the server's own words, and produces every kind
// of trouble that a client must survive.
//
//	es := estest.NewServer(estest.Config{APIKey: "secret"})
//	server := httptest.NewServer(es)
//
// It stands in for Elasticsearch, which is not available where this is built, and for
// faults that a real OpenSearch does not produce on demand. It follows Elastic's and
// OpenSearch's documentation and sources, and reports by users of other clients.
//
// A data stream exists once a document was created in it. It consists of backing indexes;
// Rollover adds one. An id is unique within one backing index, as in the real server.
//
// Of the rest of the API a server has what a client may ask before it writes: the root,
// privileges, data streams, templates and pipelines. Several handlers of Node are nodes of
// one cluster. A server works with any transport of net/http, also in a testing/synctest
// bubble. It starts no goroutine and uses no clock but package time's.
package estest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Values of Config.Flavor.
const (
	Elasticsearch = "elasticsearch"
	OpenSearch    = "opensearch"
	Serverless    = "opensearch serverless" // a collection of time series: it refuses ids and has no root
)

// Config configures a server.
type Config struct {
	Flavor  string // default Elasticsearch
	Version string // default 9.1.0, of OpenSearch 2.19.6

	// Credentials; without any, requests need none.
	APIKey, User, Password, Bearer string

	Templates    []string // patterns of names that become data streams; default logs-*-*
	Pipelines    []string // that exist
	FailureStore bool     // documents that do not parse go to the failure store
	Denied       []string // privileges that the credentials lack, such as create_doc or manage_index_templates
	MaxBytes     int64    // limit of a body, decompressed (http.max_content_length); default 100 MiB

	// Rename is what an ingest pipeline makes of an id. Nil: ids stay.
	Rename func(id string) string

	// Refuse may refuse a document, with a type and a reason. An empty type accepts it.
	// Nil accepts all.
	Refuse func(Document) (kind, reason string)

	// Script returns the fault of a request. Nil: no faults. Calls do not overlap.
	Script func(Request) Fault

	// Created is called for each document that is created, in that order. Calls do not
	// overlap. Nil: the server keeps the documents for Documents.
	Created func(Document)
}

// Document is a document of an index.
type Document struct {
	Index  string // the backing index, if it is of a data stream
	Target string // the data stream or index that the request named
	ID     string
	Body   []byte
}

// Request is a request to a server.
type Request struct {
	Number   int // counts from 1
	Node     int
	Method   string
	Path     string
	Query    string
	Header   http.Header
	Body     []byte // decompressed
	Actions  int    // of a bulk request, as far as it can be parsed; 0 for others
	Status   int    // of the answer; 0 if there was none, and while a Script decides
	Conflict int    // documents of the request that were there already
}

// Bulk reports whether the request is one of the bulk API.
func (q Request) Bulk() bool { return strings.HasSuffix(q.Path, "/_bulk") }

// Server is a cluster.
type Server struct {
	config Config

	mu        sync.Mutex
	requests  []Request
	targets   map[string]*target
	documents []Document
	failures  []Document // the failure store
	objects   map[string][]byte
	created   int // documents so far
}

// NewServer returns a server without documents.
func NewServer(c Config) *Server {
	c.Flavor = cmp.Or(c.Flavor, Elasticsearch)
	if c.Flavor == Elasticsearch {
		c.Version = cmp.Or(c.Version, "9.1.0")
	}
	c.Version = cmp.Or(c.Version, "2.19.6")
	c.MaxBytes = cmp.Or(c.MaxBytes, 100<<20)
	if c.Templates == nil {
		c.Templates = []string{"logs-*-*"}
	}
	return &Server{config: c, targets: map[string]*target{}, objects: map[string][]byte{}}
}

// Change changes the configuration.
func (s *Server) Change(f func(*Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.config)
}

// Requests returns all requests so far, without their bodies.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Documents returns the documents, in the order in which they were created. It is empty
// with Config.Created.
func (s *Server) Documents() []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.documents)
}

// Failures returns the documents of the failure store.
func (s *Server) Failures() []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failures)
}

// Object returns a template or pipeline by its path, such as
// "_index_template/logs-acme"; nil if there is none.
func (s *Server) Object(path string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.objects[path])
}

// Put stores a template or pipeline, as Object names it.
func (s *Server) Put(path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[path] = slices.Clone(body)
}

// ServeHTTP implements http.Handler. It is node 0.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, 0) }

// Node returns the handler of another node of the cluster.
func (s *Server) Node(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, n) })
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, node int) {
	body, early := s.read(r)
	asked, fault := s.meet(Request{
		Node: node, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body,
	})
	if !pause(r, fault.Delay) {
		return
	}
	a := s.answer(r, &asked, fault, early)
	switch {
	case fault.Hang:
		<-r.Context().Done()
	case fault.Reset:
		reset(w)
	case fault.Cut:
		s.reply(w, a, true)
	default:
		s.note(asked, a.Status)
		s.reply(w, a, false)
	}
}

// meet stores a request and calls the script.
func (s *Server) meet(asked Request) (Request, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked.Bulk() {
		asked.Actions = len(lines(asked.Body)) / 2
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

func (s *Server) note(asked Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[asked.Number-1].Status = status
	s.requests[asked.Number-1].Conflict = asked.Conflict
}

// answer handles a request as far as its fault allows.
func (s *Server) answer(r *http.Request, asked *Request, fault Fault, early *Answer) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault.trouble() && !fault.Handled {
		if fault.Answer != nil {
			return *fault.Answer
		}
		return Answer{}
	}
	a := s.handle(r, asked, fault, early)
	if fault.Answer != nil {
		a = *fault.Answer
	}
	return a
}

func (s *Server) handle(r *http.Request, asked *Request, fault Fault, early *Answer) Answer {
	if a := s.authorize(r); a != nil {
		return *a
	}
	if early != nil {
		return *early
	}
	if asked.Bulk() {
		return s.bulk(r, asked, fault)
	}
	return s.inform(r, asked)
}
