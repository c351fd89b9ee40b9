package hectest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// indexer takes events and acknowledges them.
type indexer struct {
	channels map[string]*channel
	memory   []taken // oldest first
}

// channel numbers its requests.
type channel struct {
	next int64
	done map[int64][]Event // indexed, but true was not answered yet
}

// taken holds the events of a request in memory.
type taken struct {
	events []Event
	due    time.Time
	done   func()
}

func newIndexer() *indexer { return &indexer{channels: map[string]*channel{}} }

func (in *indexer) channel(name string) *channel {
	c := in.channels[name]
	if c == nil {
		c = &channel{done: map[int64][]Event{}}
		in.channels[name] = c
	}
	return c
}

// accept stores events until they are indexed, and returns their ack id.
func (in *indexer) accept(name string, events []Event, delay time.Duration, ack, forget bool) *int64 {
	t := taken{events: events, due: time.Now().Add(delay), done: func() {}}
	var id *int64
	if ack {
		c := in.channel(name)
		n := c.next
		c.next++
		id, t.done = &n, func() { c.done[n] = events }
	}
	if !forget {
		in.memory = append(in.memory, t)
	}
	return id
}

// settle indexes the events that are due.
func (s *Server) settle() {
	for _, in := range s.indexers {
		for len(in.memory) > 0 && !time.Now().Before(in.memory[0].due) {
			s.index(in.memory[0].events)
			in.memory[0].done()
			in.memory = in.memory[1:]
		}
	}
}

// acknowledge answers for each ack id whether its events are indexed: true once,
// false before and after that, and false for an unknown id.
func (s *Server) acknowledge(asked Request, in *indexer, fault Fault) Answer {
	var query struct{ Acks []int64 }
	switch {
	case !s.config.Ack:
		return Answer{Status: http.StatusBadRequest, Code: 14}
	case json.Unmarshal(asked.Body, &query) != nil || query.Acks == nil:
		return Answer{Status: http.StatusBadRequest, Code: 6}
	}
	if s.config.Strict && in.channels[asked.Channel] == nil {
		return Answer{Status: http.StatusBadRequest, Code: 11}
	}
	a := Answer{Status: http.StatusOK, acks: map[string]bool{}}
	c := in.channel(asked.Channel)
	for _, id := range query.Acks {
		events, done := c.done[id]
		a.acks[strconv.FormatInt(id, 10)] = done
		s.confirm(events, fault)
		delete(c.done, id)
	}
	return a
}
