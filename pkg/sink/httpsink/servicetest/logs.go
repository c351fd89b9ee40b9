package servicetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of the vendors, by their documentation; see the settings of package httpsink.
const (
	datadogBytes = 5_000_000
	datadogLogs  = 1_000
	datadogLog   = 1_000_000
	sumoBytes    = 1_000_000
	sumoMessage  = 64 << 10
	pantherBytes = 1_000_000
)

// NewDatadog returns the logs intake of Datadog, and beside it the check of an API key.
func NewDatadog(key string) *Server {
	s := &Server{Path: "/api/v2/logs", Largest: datadogBytes, TooMany: `{"errors":[{"status":"413","title":"Request Entity Too Large"}]}`}
	s.refusal = answered(http.StatusBadRequest, `{"errors":[{"status":"400","title":"Bad Request"}]}`)
	authorized := func(r *http.Request) Answer {
		switch r.Header.Get("DD-API-KEY") {
		case key:
			return Answer{}
		case "":
			return answered(http.StatusUnauthorized, `{"errors":[{"status":"401","title":"Unauthorized"}]}`)
		}
		return answered(http.StatusForbidden, `{"errors":[{"status":"403","title":"Forbidden"}]}`)
	}
	s.take = func(r *http.Request, body []byte) ([]Event, Answer) {
		if a := authorized(r); a.Status != 0 {
			return nil, a
		}
		var logs []json.RawMessage
		if r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &logs) != nil || len(logs) > datadogLogs {
			return nil, s.refusal
		}
		var events []Event
		for _, log := range logs {
			e, err := s.datadogLog(log)
			if err != nil {
				return nil, answered(http.StatusBadRequest, `{"errors":[{"status":"400","title":%q}]}`, err)
			}
			events = append(events, e)
		}
		return events, answered(http.StatusAccepted, "{}")
	}
	s.other = func(w http.ResponseWriter, r *http.Request) {
		switch a := authorized(r); {
		case r.URL.Path != "/api/v1/validate" || r.Method != http.MethodGet:
			http.NotFound(w, r)
		case a.Status != 0:
			reply(w, answered(http.StatusForbidden, `{"errors":["Forbidden"]}`))
		default:
			reply(w, answered(http.StatusOK, `{"valid":true}`))
		}
	}
	return s
}

// datadogLog reads a log. The record in it is what is not one of Datadog's own members, or
// the member of another format.
func (s *Server) datadogLog(log json.RawMessage) (Event, error) {
	members, err := membersOf(log)
	if err != nil {
		return Event{}, err
	}
	text := func(key string) (value string) {
		_ = json.Unmarshal(members[key], &value) // A text that is none is missing.
		return value
	}
	if text("ddsource") == "" || text("service") == "" || text("sluice_event_id") == "" {
		return Event{}, fmt.Errorf("a log has no source, service or id")
	}
	if _, err := time.Parse(time.RFC3339, text("timestamp")); err != nil {
		return Event{}, err
	}
	if len(log) > datadogLog {
		s.breaks("a log of %d bytes was cut", len(log)) // in silence, with 202
	}
	return Event{ID: text("sluice_event_id"), Body: members["raw"]}, nil
}

// membersOf reads an object, and refuses a second member with the same name.
func membersOf(object []byte) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("not an object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := members[key.(string)]; twice {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		members[key.(string)] = value
	}
	return members, nil
}

// NewSumo returns an HTTP source of Sumo Logic at a secret path. With a token it wants that,
// too. Category is what the header says.
func NewSumo(path, token, category string) *Server {
	s := &Server{Path: path, Largest: sumoBytes, TooMany: "too large"}
	s.refusal = answered(http.StatusBadRequest, "bad request")
	s.take = func(r *http.Request, body []byte) ([]Event, Answer) {
		switch {
		case r.Header.Get("X-Sumo-Token") != token:
			return nil, answered(http.StatusUnauthorized, "unauthorized")
		case r.Header.Get("X-Sumo-Category") != category || !utf8.Valid(body):
			return nil, s.refusal
		}
		var events []Event
		for _, line := range lines(body) {
			if len(line) > sumoMessage {
				s.breaks("a message of %d bytes was cut", len(line))
			}
			events = append(events, Event{ID: idOf(line), Body: line})
		}
		return events, answered(http.StatusOK, "")
	}
	s.other = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, answered(http.StatusUnauthorized, "unauthorized"))
	}
	return s
}

// NewPanther returns an HTTP source of Panther whose schema is for objects of JSON.
func NewPanther(path, header, secret string) *Server {
	s := &Server{Path: path, Largest: pantherBytes, TooMany: `{"message":"Request Too Long"}`}
	s.refusal = answered(http.StatusBadRequest, `{"message":"Bad Request"}`)
	s.take = func(r *http.Request, body []byte) ([]Event, Answer) {
		size := len(body)
		for name, values := range r.Header {
			for _, value := range values {
				size += len(name) + len(": ") + len(value) + len("\r\n")
			}
		}
		switch {
		case r.Header.Get(header) != secret:
			return nil, answered(http.StatusForbidden, `{"message":"Forbidden"}`)
		case size > pantherBytes:
			return nil, answered(http.StatusRequestEntityTooLarge, "%s", s.TooMany)
		}
		var events []Event
		for _, line := range lines(body) {
			if _, err := membersOf(line); err != nil || !json.Valid(line) {
				return nil, s.refusal
			}
			events = append(events, Event{ID: idOf(line), Body: line})
		}
		return events, answered(http.StatusOK, "")
	}
	return s
}

func lines(body []byte) [][]byte {
	return bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
}

// idOf returns the id of a record in the format ecs; empty for any other.
func idOf(line []byte) string {
	var record struct{ Event struct{ ID string } }
	_ = json.Unmarshal(line, &record)
	return strings.TrimSpace(record.Event.ID)
}
