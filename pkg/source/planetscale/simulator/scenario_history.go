package simulator

import (
	"slices"
	"time"
)

// historyScenarios have a log that changes while it is read.
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
		{"late-events", "Events are listed after others with a later created_at: some at a request, some as time passes.", func(s *Server) {
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
		{"appears-between-reads", "An event appears on a page between its first and second read, with a created_at of that page, even if that is long ago.", func(s *Server) {
			s.Script(secondReads(5, func(r Request) {
				if created, ok := s.createdOf(r.StartingAfter); ok {
					s.Insert(Draft{Created: created})
				}
			}))
		}},
		{"changed-event", "The newest event changes after it was read.", func(s *Server) {
			s.Script(afterRead(3, func() {
				if e, ok := s.newest(); ok {
					s.Change(e.ID, rewritten(e.Raw, "updated_at", `"`+s.present().UTC().Format(timeLayout)+`"`))
				}
			}))
		}},
		{"ties", "Many events, more than a page, have the same created_at.", func(s *Server) {
			s.AppendTied(250)
			s.Script(afterRead(2, func() { s.AppendTied(130) }))
		}},
		OverlapFlood(20_500),
	}
}

// OverlapFlood appends n events within a second. A large n is more than a position may
// name.
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
			s.Script(afterRead(3, func() {
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
		{"retention-in-mid-walk", "The older half of the log passes retention during a walk.", func(s *Server) {
			s.Script(laterPages(func(n int, _ Request) Fault {
				if n == 2 {
					s.purgeShare(2)
				}
				return Fault{}
			}))
		}},
		{"retention-passes-the-cursor", "The event whose id is the next cursor of a walk passes retention, with all older ones.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if created, ok := s.createdOf(r.StartingAfter); ok && n == 2 {
					s.Purge(created.Add(time.Millisecond))
				}
				return Fault{}
			}))
		}},
		{"purged-beyond-retention", "The whole log is purged after it was read, even its newest events; later there are new ones.", func(s *Server) {
			quiet := true
			s.Script(afterRead(2, func() {
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

// newest returns the last event in the order of the log.
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

// createdOf returns when an event of the log was created.
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

// following returns the ids of the first events behind a cursor.
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

// purgeShare purges the oldest part of the log, of so many equal parts.
func (s *Server) purgeShare(parts int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	if left := s.log.count - s.log.first; left > 0 {
		s.log.purge(s.log.created(s.log.first + left/parts))
	}
}
