package estest

import (
	"fmt"
	"time"
)

// target is a data stream with its backing indexes, or an index.
type target struct {
	name   string
	stream bool
	begun  string
	ids    []map[string]bool // of each backing index; the last one is written
}

// target returns a data stream or an index, and makes it if it is missing.
func (s *Server) target(name string, stream bool) *target {
	t := s.targets[name]
	if t == nil {
		t = &target{name: name, stream: stream, begun: time.Now().UTC().Format("2006.01.02"), ids: []map[string]bool{{}}}
		s.targets[name] = t
	}
	return t
}

func (t *target) index() string {
	if !t.stream {
		return t.name
	}
	return fmt.Sprintf(".ds-%s-%s-%06d", t.name, t.begun, len(t.ids))
}

func (t *target) has(id string) bool { return t.ids[len(t.ids)-1][id] }
func (t *target) add(id string)      { t.ids[len(t.ids)-1][id] = true }

// Rollover gives a data stream another backing index, in which no id is known.
func (s *Server) Rollover(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.target(name, true)
	t.ids = append(t.ids, map[string]bool{})
}
