package hectest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Event is an indexed event.
type Event struct {
	Time       string // epoch seconds, exactly as sent; empty: Splunk uses the time of receipt
	Host       string
	Source     string
	Sourcetype string
	Index      string // empty: the token's index
	Fields     map[string]any
	Event      json.RawMessage // as sent: an object or a string
	Channel    string          // of its request
}

// Text returns the event as a search shows it: a string without its quotes, an object
// unchanged.
func (e Event) Text() string {
	var text string
	if json.Unmarshal(e.Event, &text) != nil {
		text = string(e.Event)
	}
	return text
}

// take takes the events of a request up to the first refused one.
func (s *Server) take(asked Request, in *indexer, fault Fault) Answer {
	if len(bytes.TrimSpace(asked.Body)) == 0 {
		return Answer{Status: http.StatusBadRequest, Code: 5}
	}
	var events []Event
	for n, raw := range values(asked.Body) {
		e, code := s.parse(raw)
		if code != 0 {
			return s.refuse(asked, in, events, n, code, fault)
		}
		events = append(events, e)
	}
	id := s.keep(asked, in, events, s.config.Ack, fault.Forget)
	if !s.config.Ack {
		s.confirm(events, fault)
	}
	return Answer{Status: http.StatusOK, AckID: id}
}

// refuse answers a request whose event n is bad. The events before it are taken
// without an ack id.
func (s *Server) refuse(asked Request, in *indexer, before []Event, n, code int, fault Fault) Answer {
	a := Answer{Status: http.StatusBadRequest, Code: code}
	if s.config.Unnumbered {
		return a
	}
	s.keep(asked, in, before, false, false)
	if !s.config.Ack {
		// The client does not know that the number counts from zero; it may mean the
		// last of these.
		s.confirm(before[:max(0, n-1)], fault)
	}
	if s.config.OneBased {
		n++
	}
	a.Number = &n
	return a
}

// takeFirst takes the first n events of a request without an ack id. If one of them
// is bad, it takes none and returns false.
func (s *Server) takeFirst(asked Request, in *indexer, n int) bool {
	var events []Event
	for i, raw := range values(asked.Body) {
		if i >= n {
			break
		}
		e, code := s.parse(raw)
		if code != 0 {
			return false
		}
		events = append(events, e)
	}
	s.keep(asked, in, events, false, false)
	return true
}

// keep stores events, which are indexed after the delay.
func (s *Server) keep(asked Request, in *indexer, events []Event, ack, forget bool) *int64 {
	for i := range events {
		events[i].Channel = asked.Channel
	}
	if !s.config.Ack {
		if !forget {
			s.index(events)
		}
		return nil
	}
	return in.accept(asked.Channel, events, s.config.AckDelay, ack, forget)
}

func (s *Server) index(events []Event) {
	for _, e := range events {
		if s.config.Indexed != nil {
			s.config.Indexed(e)
		} else {
			s.events = append(s.events, e)
		}
	}
}

// confirm reports the events that the answer proves as indexed, unless the fault
// replaces the answer.
func (s *Server) confirm(events []Event, fault Fault) {
	if s.config.Confirmed == nil || fault.Handled {
		return
	}
	for _, e := range events {
		s.config.Confirmed(e)
	}
}

// values yields the JSON values of a body with their numbers, from zero. Invalid JSON
// yields a last nil value.
func values(body []byte) func(yield func(int, []byte) bool) {
	return func(yield func(int, []byte) bool) {
		d := json.NewDecoder(bytes.NewReader(body))
		for n := 0; ; n++ {
			var raw json.RawMessage
			err := d.Decode(&raw)
			if err == io.EOF || !yield(n, raw) || err != nil {
				return
			}
		}
	}
}

func count(body []byte) (n int) {
	for range values(body) {
		n++
	}
	return n
}

var epoch = regexp.MustCompile(`^"?[0-9]+(\.[0-9]+)?"?$`)

// parse decodes an envelope. It returns the code of the envelope's error, 0 if it has
// none.
func (s *Server) parse(raw []byte) (e Event, code int) {
	var envelope struct {
		Time                            json.RawMessage
		Host, Source, Sourcetype, Index *string
		Event                           json.RawMessage
		Fields                          json.RawMessage
	}
	if len(raw) == 0 || raw[0] != '{' || !utf8.Valid(raw) || json.Unmarshal(raw, &envelope) != nil {
		return e, 6
	}
	if envelope.Time != nil && !epoch.Match(envelope.Time) {
		return e, 6
	}
	e = Event{
		Time: strings.Trim(string(envelope.Time), `"`), Event: envelope.Event,
		Host: deref(envelope.Host), Source: deref(envelope.Source), Sourcetype: deref(envelope.Sourcetype), Index: deref(envelope.Index),
	}
	if s.config.Indexes != nil && e.Index != "" && !slices.Contains(s.config.Indexes, e.Index) {
		return e, 7
	}
	if code := checkEvent(e.Event); code != 0 {
		return e, code
	}
	if e.Fields, code = fields(envelope.Fields); code == 0 && s.config.Refuse != nil {
		code = s.config.Refuse(e)
	}
	return e, code
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func checkEvent(raw json.RawMessage) (code int) {
	switch {
	case raw == nil:
		return 12
	case raw[0] == '"' && strings.TrimSpace(Event{Event: raw}.Text()) == "", string(raw) == "null":
		return 13
	case raw[0] != '"' && raw[0] != '{':
		return 6
	}
	return 0
}

// fields decodes the indexed fields, which must be strings, numbers, or lists of them.
func fields(raw json.RawMessage) (all map[string]any, code int) {
	if raw == nil {
		return nil, 0
	}
	if json.Unmarshal(raw, &all) != nil || all == nil {
		return nil, 15
	}
	for _, value := range all {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			switch v.(type) {
			case string, float64:
			default:
				return nil, 15
			}
		}
	}
	return all, 0
}

// String formats the event for messages of tests.
func (e Event) String() string { return fmt.Sprintf("%s %v %.200s", e.Time, e.Fields, e.Event) }
