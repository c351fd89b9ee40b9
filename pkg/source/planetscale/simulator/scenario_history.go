package simulator

import (
	"slices"
	"time"
)

// historyScenarios are about a log that changes under its readers.
func historyScenarios() []Scenario {
	return slices.Concat(arrivalScenarios(), removalScenarios())
}

func arrivalScenarios() []Scenario {
	return []Scenario{
		{"growth", "Events are appended before each of many requests.", func(s *Server) {
			s.Script(func(r Request) Fault {
				if r.N <= 30 {
					s.Append(1 + r.N*7%40)
				}
				return Fault{}
			})
		}},
		{"late-events", "Events are listed after others with a later created_at, some at requests, some as time passes.", func(s *Server) {
			now := s.present()
			for i := range 10 {
				created := now.Add(time.Duration(i) * 7 * time.Second)
				s.Insert(Draft{Created: created, Listed: created.Add(Lateness)})
			}
			s.Script(func(r Request) Fault {
				if r.N <= 30 && r.N%3 == 0 {
					s.Insert(Draft{Created: r.Time.Add(-Lateness * time.Duration(r.N) / 30)})
				}
				return Fault{}
			})
		}},
		{"appears-between-reads", "An event appears on a page between its first and second read, with a created_at of that page, however long ago.", func(s *Server) {
			s.Script(secondReads(5, func(r Request) {
				if created, ok := s.createdOf(r.StartingAfter); ok {
					s.Insert(Draft{Created: created})
				}
			}))
		}},
		{"changed-event", "The newest event changes after it was read.", func(s *Server) {
			s.Script(settled(3, func() {
				if e, ok := s.newest(); ok {
					s.Change(e.ID, rewritten(e.Raw, "updated_at", `"`+s.present().UTC().Format(timeLayout)+`"`))
				}
			}))
		}},
		{"ties", "Many events, more than a page, have the same created_at.", func(s *Server) {
			s.AppendTied(250)
			s.Script(settled(2, func() { s.AppendTied(130) }))
		}},
		OverlapFlood(20_500),
	}
}

// OverlapFlood is n events within a second: more, if n is large, than a
// position may name.
func OverlapFlood(n int) Scenario {
	return Scenario{"overlap-flood", "More events within the overlap than a position may name.", func(s *Server) {
		s.Append(n)
	}}
}

func removalScenarios() []Scenario {
	return []Scenario{
		{"vanishes-between-reads", "An event of a page is deleted between its first and second read.", func(s *Server) {
			s.Script(secondReads(5, func(r Request) {
				if ids := s.following(r.StartingAfter, 3); len(ids) > 1 {
					s.Delete(ids[1])
				}
			}))
		}},
		{"newest-deleted", "The newest event is deleted after it was read.", func(s *Server) {
			s.Script(settled(3, func() {
				if e, ok := s.newest(); ok {
					s.Delete(e.ID)
				}
			}))
		}},
		{"vanishing-tail", "The oldest events pass retention before each of many requests.", func(s *Server) {
			s.Script(func(r Request) Fault {
				if r.N <= 40 {
					s.purgeShare(50)
				}
				return Fault{}
			})
		}},
		{"retention-in-mid-walk", "The older half of the log passes retention while it is walked.", func(s *Server) {
			s.Script(laterPages(func(n int, _ Request) Fault {
				if n == 2 {
					s.purgeShare(2)
				}
				return Fault{}
			}))
		}},
		{"retention-passes-the-cursor", "The event that a walk goes on from passes retention, with all before it.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if created, ok := s.createdOf(r.StartingAfter); ok && n == 2 {
					s.Purge(created.Add(time.Millisecond))
				}
				return Fault{}
			}))
		}},
		{"purged-beyond-retention", "After it was read, the whole log is purged, however young it is, and later there are events again.", func(s *Server) {
			quiet := true
			s.Script(settled(2, func() {
				if quiet {
					s.Purge(s.present())
				} else {
					s.Append(3)
				}
				quiet = false
			}))
		}},
	}
}

func (s *Server) present() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return time.Unix(0, s.log.now)
}

// newest is the event that a person would call the latest: the last in the
// order of the log.
func (s *Server) newest() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	last := s.log.scan(above, false, 1).events
	if len(last) == 0 {
		return Event{}, false
	}
	return s.log.event(last[0]), true
}

// createdOf is when an event of the log was created.
func (s *Server) createdOf(id string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	e, ok := s.log.find(id)
	if !ok {
		return time.Time{}, false
	}
	return s.log.event(e).Created, true
}

// following is the ids of the first events that a page behind a cursor lists.
func (s *Server) following(cursor string, n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	selected, _ := s.log.selectPage(query{startingAfter: cursor, limit: n}, &s.config)
	var ids []string
	for _, e := range selected.events {
		ids = append(ids, s.log.idOf(e))
	}
	return ids
}

// purgeShare lets the oldest of so many parts of the log pass retention.
func (s *Server) purgeShare(parts int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	if left := s.log.count - s.log.first; left > 0 {
		s.log.purge(s.log.created(s.log.first + left/parts))
	}
}
