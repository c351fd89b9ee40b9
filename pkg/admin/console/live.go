package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxStreams   = 16
	everyLook    = 2 * time.Second  // between two looks for changes
	everyBeat    = 15 * time.Second // between two lines that say that the stream lives
	writeTimeout = 10 * time.Second // for each of them
	sharedFor    = time.Second      // how long streams share a snapshot
)

// update is what a stream sends of a page that changed.
type update struct {
	Title     string         `json:"title"`
	Icon      string         `json:"icon"`
	Now       time.Time      `json:"now"`
	Fragments []liveFragment `json:"fragments"`
}

type liveFragment struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// serveLive sends the fragments of a page that changed, as server-sent events, until the
// client goes away. The query has the address of the page (page), and the hashes of the
// fragments that the client has (have).
func (c *console) serveLive(w http.ResponseWriter, r *http.Request) {
	address, err := url.ParseRequestURI(r.URL.Query().Get("page"))
	if err != nil {
		http.Error(w, "no page; the parameter page is its path", http.StatusBadRequest)
		return
	}
	if _, err := c.page(r.Context(), address, c.sharedSnapshot); errors.Is(err, errNotFound) {
		http.Error(w, "there is no page at this address, or no longer", http.StatusNotFound)
		return
	}
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, fmt.Sprintf("%d pages are kept up to date already, which is the limit; close one, or reload this one by hand", maxStreams), http.StatusServiceUnavailable)
		return
	}
	s := stream{console: c, w: w, control: http.NewResponseController(w), address: address, have: map[string]bool{}}
	for _, h := range strings.Split(r.URL.Query().Get("have"), ".") {
		s.have[h] = true
	}
	// A stream outlives the limits of the server for one answer.
	_ = s.control.SetReadDeadline(time.Time{}) // a recorder of a test has none
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	s.run(r)
}

// stream is an open stream.
type stream struct {
	*console
	w       http.ResponseWriter
	control *http.ResponseController
	address *url.URL
	have    map[string]bool // hashes of the client's fragments
	beat    time.Time       // when it was last sent to
}

// run ends with the request, or when the client takes nothing for too long.
func (s *stream) run(r *http.Request) {
	ticker := time.NewTicker(everyLook)
	defer ticker.Stop()
	for {
		if err := s.look(r); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
		}
	}
}

// look sends what changed since the last look.
func (s *stream) look(r *http.Request) error {
	p, err := s.page(r.Context(), s.address, s.sharedSnapshot)
	if err != nil {
		return err
	}
	u := update{Title: p.Title, Icon: assetNames[p.Icon], Now: p.Now}
	now := map[string]bool{}
	for _, f := range p.Content {
		r, err := f.render()
		if err != nil {
			return err
		}
		for _, changed := range r.changed(nil, s.have) {
			u.Fragments = append(u.Fragments, liveFragment{changed.id, string(changed.html)})
		}
		r.hashes(now)
	}
	s.have = now
	switch {
	case len(u.Fragments) > 0:
		var body strings.Builder
		body.WriteString("data: ")
		encoder := json.NewEncoder(&body) // ends with the end of a line
		encoder.SetEscapeHTML(false)      // it is no part of a page
		if err := encoder.Encode(u); err != nil {
			return err
		}
		return s.send(body.String() + "\n")
	case time.Since(s.beat) >= everyBeat:
		return s.send(": nothing changed\n\n")
	}
	return nil
}

// send writes with a deadline, which does not apply to the pause that follows.
func (s *stream) send(text string) error {
	s.beat = time.Now()
	_ = s.control.SetWriteDeadline(s.beat.Add(writeTimeout))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := s.control.Flush(); err != nil {
		return err
	}
	_ = s.control.SetWriteDeadline(time.Time{})
	return nil
}

// sharedSnapshot returns a snapshot that streams share, so that many open pages cost
// about as much as one.
func (c *console) sharedSnapshot() *snapshot {
	c.recent.Lock()
	defer c.recent.Unlock()
	if c.recent.snapshot == nil || time.Since(c.recent.Now) >= sharedFor {
		c.recent.snapshot = c.snapshot()
	}
	return c.recent.snapshot
}
