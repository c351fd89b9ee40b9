package simulator

import (
	"encoding/json"
	"iter"
	"slices"
	"time"
)

// Append adds n events now and returns their ids, oldest first. They lie within
// the last second, and tie where the log has no room for them in it.
func (s *Server) Append(n int) []string { return s.append(n, false) }

// AppendTied adds n events with the same created_at, now, and returns their
// ids.
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
	// ID is its id, even if Raw does not say so. Default: a new one.
	ID string

	// Created decides its place under ByCreatedAt, and when retention ends,
	// whatever Raw says. Default: now.
	Created time.Time

	// Listed is when it becomes visible. Default: now.
	Listed time.Time

	// Raw is its bytes: an element of data, which may be anything. Default: an
	// event with this id and time.
	Raw []byte
}

// Draft makes an event that is like the others of the log, with a new id, for
// tests to alter and Insert.
func (s *Server) Draft(created time.Time) Draft {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete(Draft{Created: created})
}

// complete fills in what a draft leaves open. The caller holds s.mu.
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

// Insert puts an event in the log, late if its Created lies in the past, and
// returns its id.
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

// Delete takes an event out of the log; false if it is not there.
func (s *Server) Delete(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.log.delete(id)
}

// Change gives an event other bytes; false if it is not in the log.
func (s *Server) Change(id string, raw []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.log.change(id, raw)
}

// Purge takes out what was created before a time, as retention does. A time
// ahead of the clock counts as the present.
func (s *Server) Purge(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.log.purge(before.UnixMilli())
}

// Event is an event of the log, for tests to compare with what was delivered.
type Event struct {
	ID      string
	Created time.Time // to the millisecond; what decided its place, whatever Raw says
	Listed  time.Time // when it became visible; for one of the start or the rate about Created
	Gone    time.Time // when it was deleted or passed retention; zero while it is visible
	Raw     json.RawMessage
	Former  [][]byte // bytes it had before it was changed, oldest first
}

// Visible is the log at this moment, oldest first. What is done to the server
// during the iteration does not show in it.
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

// Requests is the latest requests, oldest first: all, up to 65,536.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests.latest)
}

// RequestCount is how many requests arrived.
func (s *Server) RequestCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests.total
}
