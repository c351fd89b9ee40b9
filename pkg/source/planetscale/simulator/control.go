package simulator

import (
	"encoding/json"
	"iter"
	"slices"
	"time"
)

// Append adds n events now and returns their ids, oldest first. Their times lie within
// the last second and after the newest event. They tie if there is no time between.
func (s *Server) Append(n int) []string { return s.append(n, false) }

// AppendTied adds n events whose created_at is now, and returns their ids.
func (s *Server) AppendTied(n int) []string { return s.append(n, true) }

func (s *Server) append(n int, tie bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	first := s.log.count
	s.log.burst(s.log.now, int64(n), tie)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.log.idOf(listed{place: place{minor: first + int64(i)}})
	}
	return ids
}

// Draft is an event that Insert puts in the log.
type Draft struct {
	// ID is its id, even if Raw has another. Default: a new one.
	ID string

	// Created decides its place under ByCreatedAt and the end of its retention, even if
	// Raw has another time. Default: now.
	Created time.Time

	// Listed is when it becomes visible. Default: now.
	Listed time.Time

	// Raw is its bytes: an element of data, which may be anything. Default: an
	// event with this id and time.
	Raw []byte
}

// Draft returns an event like the others of the log, with a new id. Tests may alter it
// before Insert.
func (s *Server) Draft(created time.Time) Draft {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete(Draft{Created: created})
}

// complete sets the defaults of a draft. The caller holds s.mu.
func (s *Server) complete(d Draft) Draft {
	number := firstDraft + s.log.drafts
	s.log.drafts++
	generatedID := s.log.identity.of(number)
	if d.ID == "" {
		d.ID = string(generatedID[:])
	}
	if d.Created.IsZero() {
		d.Created = time.Unix(0, s.log.now)
	}
	if d.Raw == nil {
		d.Raw = s.log.generate(nil, number, d.Created.UnixMilli())
		d.Raw = slices.Replace(d.Raw, len(`{"id":"`), len(`{"id":"`)+idLength, []byte(d.ID)...)
	}
	return d
}

// Insert puts an event in the log and returns its id. The event is late if its Created
// is in the past.
func (s *Server) Insert(d Draft) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	d = s.complete(d)
	e := &extra{id: d.ID, created: d.Created.UnixMilli(), versions: [][]byte{d.Raw}}
	if !d.Listed.IsZero() {
		e.listed = d.Listed.UnixNano()
	}
	s.log.insert(e)
	return d.ID
}

// Delete removes an event from the log; false if it is not in the log.
func (s *Server) Delete(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.log.delete(id)
}

// Change replaces the bytes of an event; false if it is not in the log.
func (s *Server) Change(id string, raw []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.log.change(id, raw)
}

// Purge removes what was created before a time, as retention does. A time ahead of the
// clock counts as now.
func (s *Server) Purge(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.log.purge(before.UnixMilli())
}

// Event is an event of the log, for tests to compare with what was delivered.
type Event struct {
	ID      string
	Created time.Time // to the millisecond; decided its place, even if Raw has another time
	Listed  time.Time // when it became visible; Created for an event at the start
	Gone    time.Time // when it was deleted or passed retention; zero while it is visible
	Raw     json.RawMessage
	Former  [][]byte // bytes it had before it was changed, oldest first
}

// Visible is the log at this moment, oldest first. Changes during the iteration do not
// show in it.
func (s *Server) Visible() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for e := range s.Ever() {
			if e.Gone.IsZero() && !yield(e) {
				return
			}
		}
	}
}

// Ever is everything that was visible at any time, in the order of the log,
// oldest first.
func (s *Server) Ever() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		s.mu.Lock()
		s.advance()
		l := s.log.clone()
		s.mu.Unlock()
		for e := range l.ever() {
			if !yield(l.event(e)) {
				return
			}
		}
	}
}

// Requests returns the requests, oldest first: all, or at least the latest 65,536.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests.latest)
}

// RequestCount counts all requests.
func (s *Server) RequestCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests.total
}
