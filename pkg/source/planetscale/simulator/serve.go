package simulator

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the answer to a request, over any transport.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool          // the body ends in the middle
	stall  time.Duration // waited in the middle of the body
}

// errAborted is a connection that a fault closes without an answer.
var errAborted = errors.New("simulator: connection reset")

// ServeHTTP serves GET /v1/organizations/{organization}/audit-log.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := s.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for key, values := range a.header {
		w.Header()[key] = values
	}
	w.WriteHeader(a.status)
	if err := send(w, r, a); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// send writes a body. After an error the connection must not be used again.
func send(w http.ResponseWriter, r *http.Request, a answer) error {
	half := len(a.body)
	if a.cut || a.stall > 0 {
		half /= 2
	}
	if _, err := w.Write(a.body[:half]); err != nil || half == len(a.body) {
		return err
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return err
	}
	if err := wait(r.Context(), a.stall); err != nil {
		return err
	}
	if a.cut {
		return errAborted
	}
	_, err := w.Write(a.body[half:])
	return err
}

// answer returns the answer to a request. It fails if the client gives up first, or if
// a fault closes the connection.
func (s *Server) answer(r *http.Request) (answer, error) {
	request := s.record(r)
	fault := s.fault(request)
	if err := wait(r.Context(), s.config.Latency+fault.Delay); err != nil {
		return answer{}, fmt.Errorf("simulator: client gave up: %w", err)
	}
	if fault.Abort {
		return answer{}, errAborted
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	a := s.reply(r, request, fault)
	a.cut, a.stall = fault.Cut, fault.Stall
	if a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	setDate(a.header, time.Unix(0, s.log.now).UTC(), fault.Date)
	a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	s.requests.answered(request.N, a.status)
	return a, nil
}

func setDate(h http.Header, now time.Time, change func(time.Time) time.Time) {
	if change != nil {
		now = change(now)
	}
	if now.IsZero() {
		h["Date"] = nil // net/http writes a Date of its own unless the key is there
		return
	}
	h.Set("Date", now.Format(http.TimeFormat))
}

// record remembers a request.
func (s *Server) record(r *http.Request) Request {
	values := r.URL.Query()
	limit, err := parseLimit(values.Get("limit"))
	if err != nil {
		limit = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.requests.add(Request{
		Time:          time.Unix(0, s.log.now),
		Host:          r.Host,
		StartingAfter: strings.Clone(values.Get("starting_after")), // outlives the address
		EndingBefore:  strings.Clone(values.Get("ending_before")),
		Limit:         limit,
	})
}

// parseLimit clamps a limit above the documented maximum. The documentation does not
// define that case.
func parseLimit(text string) (int, error) {
	if text == "" {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("limit: %w", err)
	}
	if limit < 1 {
		return 0, fmt.Errorf("limit %d is not positive", limit)
	}
	return min(limit, maxLimit), nil
}

// reply returns status, header and body. The caller holds s.mu.
func (s *Server) reply(r *http.Request, request Request, fault Fault) answer {
	switch {
	case fault.Status != 0:
		header := fault.Header.Clone()
		if header == nil {
			header = make(http.Header)
		}
		return answer{status: fault.Status, header: header, body: []byte(fault.Body)}
	case s.overLimit(request):
		return problem(http.StatusTooManyRequests, "too_many_requests", "Rate limit exceeded")
	case r.Method != http.MethodGet || !isAuditLog(r.URL.Path):
		return notFound()
	}
	if a, refused := s.refusal(r); refused {
		return a
	}
	if request.Limit == 0 {
		return problem(http.StatusBadRequest, "bad_request", "limit must be a positive number")
	}
	return s.page(request, fault.Alter)
}

func (s *Server) overLimit(r Request) bool {
	n := s.config.RequestsPerMinute
	return n > 0 && s.requests.since(r.Time.Add(-time.Minute)) > n
}

func isAuditLog(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1/organizations/")
	if !ok {
		return false
	}
	organization, ok := strings.CutSuffix(rest, "/audit-log")
	return ok && organization != "" && !strings.Contains(organization, "/")
}

// refusal is the answer to a request that may not read this log.
func (s *Server) refusal(r *http.Request) (answer, bool) {
	authorization := r.Header.Get("Authorization")
	_, bearer := strings.CutPrefix(authorization, "Bearer ")
	organization := strings.Split(r.URL.Path, "/")[3]
	switch {
	case !s.accepts(authorization) && bearer:
		body := []byte(`{"error":"invalid_token","error_description":"The access token is invalid"}`)
		return answer{status: http.StatusUnauthorized, header: make(http.Header), body: body}, true
	case !s.accepts(authorization):
		return problem(http.StatusUnauthorized, "unauthorized", "Unauthorized"), true
	case organization != s.config.Organization || s.config.Access == Hidden404:
		return notFound(), true
	case s.config.Access == Forbidden403:
		return problem(http.StatusForbidden, "forbidden", "Forbidden"), true
	}
	return answer{}, false
}

func (s *Server) accepts(authorization string) bool {
	c := &s.config
	if c.ServiceTokenID+c.ServiceToken+c.AccessToken == "" {
		return strings.Trim(authorization, ": ") != ""
	}
	service := c.ServiceToken != "" && same(authorization, c.ServiceTokenID+":"+c.ServiceToken)
	access := c.AccessToken != "" && same(authorization, "Bearer "+c.AccessToken)
	return service || access
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// page is the answer with the requested page.
func (s *Server) page(r Request, alter func(*Listing)) answer {
	q := query{startingAfter: r.StartingAfter, endingBefore: r.EndingBefore, limit: r.Limit}
	selected, ok := s.log.selectPage(q, &s.config)
	if !ok {
		return s.unknownCursor()
	}
	if !selected.hasNext {
		s.requests.ends++
	}
	a := answer{status: http.StatusOK, header: make(http.Header)}
	if alter != nil {
		a.body = s.altered(selected, alter)
		return a
	}
	key := newPageKey(selected, s.log.edits)
	a.body = s.cache.pages[key]
	if a.body == nil {
		a.body = s.log.appendPage(make([]byte, 0, typicalSize*(1+len(selected.events))), selected)
		s.cache.add(key, a.body)
	}
	return a
}

func (s *Server) altered(selected selection, alter func(*Listing)) []byte {
	page := s.log.listing(selected)
	for _, e := range selected.events {
		page.Data = append(page.Data, s.log.append(make([]byte, 0, typicalSize), e))
	}
	alter(page)
	return page.encode()
}

func (s *Server) unknownCursor() answer {
	switch s.config.Purged {
	case BadRequest400:
		return problem(http.StatusBadRequest, "bad_request", "Invalid cursor")
	case Unprocessable422:
		return problem(http.StatusUnprocessableEntity, "unprocessable", "Invalid cursor")
	}
	return notFound()
}

func notFound() answer { return problem(http.StatusNotFound, "not_found", "Not Found") }

// problem is an answer with the usual body of an error.
func problem(status int, code, message string) answer {
	return answer{
		status: status,
		header: make(http.Header),
		body:   fmt.Appendf(nil, `{"code":%q,"message":%q}`, code, message),
	}
}

// wait waits, unless the context ends first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
