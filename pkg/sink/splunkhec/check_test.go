package splunkhec_test

import (
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/failure"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

func TestCheck(t *testing.T) {
	with := func(change func(*rig)) func(*rig) { return change }
	tests := []struct {
		name   string
		config hectest.Config
		change func(*rig)
		want   string // in the line, or in the error
		hint   string // of an error
	}{
		{"all is well", hectest.Config{}, nil, "is healthy and accepts the token; the token has no indexer acknowledgement", ""},
		{"acknowledgement is on", hectest.Config{Ack: true}, nil, "indexer acknowledgement is on; the token's own index was not refused", ""},
		{"acknowledgement is not wanted", hectest.Config{}, with(func(r *rig) { r.settings.Ack = "off" }), "acknowledgement is off", ""},
		{"acknowledgement is required", hectest.Config{Ack: true}, with(func(r *rig) { r.settings.Ack = "required" }), "indexer acknowledgement is on", ""},
		{"acknowledgement is required and off", hectest.Config{}, with(func(r *rig) { r.settings.Ack = "required" }), "no indexer acknowledgement, and ack is required", "turn indexer acknowledgement on"},
		{"acknowledgement is on and not wanted", hectest.Config{Ack: true}, with(func(r *rig) { r.settings.Ack = "off" }), "Data channel is missing", "set ack: auto"},
		{"an index", hectest.Config{Indexes: []string{"security"}}, with(func(r *rig) { r.settings.Index = "security" }), "index security was not refused; --send-test proves", ""},
		{"another index", hectest.Config{Indexes: []string{"main"}}, with(func(r *rig) { r.settings.Index = "security" }), "index: posting to http://localhost:8088: 400 Bad Request: Incorrect index (code 7)", "index security does not exist, or the token may not write to it"},
		{"another token", hectest.Config{}, with(func(r *rig) { r.SetToken("other") }), "token: posting to http://localhost:8088: 403 Forbidden: Invalid token (code 4)", "make sure that token belongs to"},
		{"a token that is disabled", hectest.Config{}, with(func(r *rig) { r.SetDisabled(true) }), "Token disabled (code 1)", "enable the token"},
		{"health is bad", hectest.Config{Script: answers(hectest.PathHealth, 503, 18)}, nil, "health: posting to http://localhost:8088: 503 Service Unavailable: HEC is unhealthy, queues are full (code 18)", ""},
		{"no HEC", hectest.Config{Script: answers("", 404, -1)}, nil, "token: posting to http://localhost:8088: 404 Not Found", "make sure that url is the address of HTTP Event Collector"},
		{"no health check", hectest.Config{Script: answers(hectest.PathHealth, 404, -1)}, nil, "has no health check and accepts the token", ""},
		{"a health check that needs a login", hectest.Config{Script: answers(hectest.PathHealth, 401, -1)}, nil, "has no health check and accepts the token", ""},
		{"no path of acknowledgements", hectest.Config{Script: answers(hectest.PathAck, 404, -1)}, nil, "the token has no indexer acknowledgement", ""},
		{"a query that is taken for an event", hectest.Config{Script: answers(hectest.PathAck, 400, 12)}, nil, "the token has no indexer acknowledgement", ""},
		{"a query that is taken for an event without data", hectest.Config{Script: answers(hectest.PathAck, 400, 5)}, nil, "the token has no indexer acknowledgement", ""},
		{"a success to any query", hectest.Config{Script: answers(hectest.PathAck, 200, 0)}, nil, "the token has no indexer acknowledgement", ""},
		{"no method of acknowledgements", hectest.Config{Script: answers(hectest.PathAck, 405, -1)}, nil, "the token has no indexer acknowledgement", ""},
		{"acknowledgement is required, and its path unknown", hectest.Config{Script: answers(hectest.PathAck, 404, -1)}, with(func(r *rig) { r.settings.Ack = "required" }), "no indexer acknowledgement, and ack is required", "turn indexer acknowledgement on"},
		{"the token may not ask for acknowledgements", hectest.Config{Script: answers(hectest.PathAck, 403, 4)}, nil, "acknowledgement: posting to", "make sure that token belongs to"},
		{"a page about the token", hectest.Config{Script: answers(hectest.PathAck, 401, -1)}, nil, "acknowledgement: posting to", "make sure that token belongs to"},
		{"acknowledgements are overloaded", hectest.Config{Script: answers(hectest.PathAck, 429, 27)}, nil, "Ack channel is at capacity (code 27)", ""},
		{"acknowledgements are out of order", hectest.Config{Script: answers(hectest.PathAck, 503, -1)}, nil, "acknowledgement: posting to", ""},
		{"a firewall removes the channel", hectest.Config{Script: answers(hectest.PathAck, 400, 10)}, nil, "Data channel is missing (code 10)", "set ack: auto"},
		{"a receiver with answers of its own", hectest.Config{Script: raw(400, `{"error":"no events"}`)}, nil, "answers, but does not say whether it accepts the token", ""},
		{"a receiver that refuses the token in words of its own", hectest.Config{Script: raw(400, `{"error":"invalid token"}`)}, nil, "answers, but does not say whether it accepts the token", ""},
		{"a receiver that takes nothing gladly", hectest.Config{Script: answers(hectest.PathEvent, 200, 0)}, nil, "does not refuse the token (it answers a request without events with 200 OK)", ""},
		{"a success that is not HEC's", hectest.Config{Script: raw(200, `{}`)}, nil, "token: posting to http://localhost:8088: 200 OK", "is not HTTP Event Collector"},
		{"a success in words", hectest.Config{Script: raw(200, `OK`)}, nil, "token: posting to http://localhost:8088: 200 OK: OK", "is not HTTP Event Collector"},
		{"a gateway of gRPC", hectest.Config{Script: raw(404, `{"code":5,"message":"Not Found"}`)}, nil, "token: posting to http://localhost:8088: 404 Not Found", "make sure that url is"},
		{"a page of a proxy", hectest.Config{Script: answers(hectest.PathEvent, 400, -1)}, nil, "token: posting to http://localhost:8088: 400 Bad Request: HTML", "make sure that url is"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, test.config, func(t *testing.T, r *rig) {
				if test.change != nil {
					test.change(r)
				}
				line, err := r.open(t).(sink.Checker).Check(t.Context())
				if warned := strings.Contains(r.log.String(), "no indexer acknowledgement"); err == nil && warned != strings.Contains(line, "no indexer acknowledgement") {
					t.Errorf("a warning as at a start: got %t for %q: %s", warned, line, &r.log)
				}
				if warned := strings.Contains(r.log.String(), "--send-test"); err == nil && warned != strings.Contains(line, "does not say") {
					t.Errorf("a warning that the token is not checked: got %t for %q: %s", warned, line, &r.log)
				}
				if err != nil {
					line = err.Error()
				}
				if !strings.Contains(line, test.want) {
					t.Errorf("got %q, want %q", line, test.want)
				}
				if got := failure.Hint(err); !strings.Contains(got, test.hint) || got != "" && test.hint == "" {
					t.Errorf("hint %q, want %q", got, test.hint)
				}
				if got := len(r.Events()); got != 0 {
					t.Errorf("%d events are indexed, want none", got)
				}
				for _, q := range r.Requests() {
					if q.Path == hectest.PathHealth && q.Header.Get("Authorization") != "" {
						t.Error("the token was sent where none is asked for")
					}
				}
			})
		})
	}
}

// A receiver that takes an envelope without an event has an empty event, and Check says so.
func TestCheckOfTheIndexThatIsTaken(t *testing.T) {
	bubble(t, hectest.Config{Script: func(q hectest.Request) hectest.Fault {
		if q.Path != hectest.PathEvent || q.Events == 0 {
			return hectest.Fault{}
		}
		return hectest.Fault{Answer: &hectest.Answer{Status: 200}}
	}}, func(t *testing.T, r *rig) {
		r.settings.Index = "security"
		if _, err := r.open(t).(sink.Checker).Check(t.Context()); err != nil || !strings.Contains(r.log.String(), "took an envelope without an event") {
			t.Errorf("got %v, want a warning; log: %s", err, &r.log)
		}
	})
}

// raw is a script for events.
func raw(status int, body string) func(hectest.Request) hectest.Fault {
	return func(q hectest.Request) hectest.Fault {
		if q.Path != hectest.PathEvent {
			return hectest.Fault{}
		}
		return hectest.Fault{Answer: &hectest.Answer{Status: status, Raw: body}}
	}
}

// answers is a script for a path, or for all if it is empty. A code below 0 is a page.
func answers(path string, status, code int) func(hectest.Request) hectest.Fault {
	return func(q hectest.Request) hectest.Fault {
		if q.Path != path && path != "" {
			return hectest.Fault{}
		}
		return hectest.Fault{Answer: &hectest.Answer{Status: status, Code: code, HTML: code < 0}}
	}
}
