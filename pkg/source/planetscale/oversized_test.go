package planetscale

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/source"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// oversizedFrom requests one event as a log does. If the answer does not say what
// follows, it requests that, too.
func oversizedFrom(t *testing.T, most int64, body func(r *http.Request) io.Reader) (*page, error) {
	t.Helper()
	s := Defaults
	s.Organization, s.AccessToken = "acme", setting.NewSecret("token")
	c := newClient(&s, &url.URL{Scheme: "https", Host: "api.test"}, roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(body(r))}, nil
	}), zerolog.Nop())
	c.mostBytes = most
	request := func(cursor string) (*page, bool, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		a, err := c.List(ctx, cursor, 1)
		if err != nil {
			return nil, false, err
		}
		p, _, err := read(t, a.Body)
		return p, a.Unsure, err
	}
	p, unsure, err := request("")
	if err != nil || !unsure {
		return p, err
	}
	behind, _, err := request(p.cursorEnd)
	if err != nil {
		return nil, err
	}
	p.hasNext = len(behind.listed) > 0
	return p, nil
}

var pad = strings.Repeat(strings.Repeat("0123456789 {[,]}", 64)+"\\n\\\"\\\\", 16<<20/1024)

// An oversized event becomes a small one, whatever the order of the keys. What the answer
// says about the rest of the log is found.
func TestOversizedEventIsOutlined(t *testing.T) {
	const id, created, action = `"id":"aaaabbbbcccc"`, `"created_at":"2026-01-02T11:00:00.000Z"`, `"audit_action":"branch.created"`
	huge := `"metadata":{"id":"zzzzzzzzzzzz","x":[{"pad":"` + pad + `"}]}`
	ends := `"has_next":true,"cursor_start":"aaaabbbbcccc","cursor_end":"aaaabbbbcccc"`
	sum := func(raw string) string {
		h := sha256.Sum256([]byte(raw))
		return hex.EncodeToString(h[:])
	}
	for _, test := range []struct {
		name, event, format, id, action string
		dated                           bool
	}{
		{"ids first", "{" + id + "," + created + "," + action + "," + huge + "}", `{"type":"list",` + ends + `,"data":[ %s ]}`, "aaaabbbbcccc", "branch.created", true},
		{"ids last, data first", "{" + huge + ", " + action + " , " + created + ",\n" + id + "}", `{"data":[%s],` + ends + `,"type":"list"}`, "aaaabbbbcccc", "branch.created", true},
		{"no id: the cursor names the event", "{" + huge + "}", `{"data":[%s],` + ends + `,"type":"list"}`, "aaaabbbbcccc", "", false},
		{"an id that is no string", `{"id":{"id":"b"},` + created + "," + huge + "}", `{"data":[%s],` + ends + `,"type":"list"}`, "aaaabbbbcccc", "", true},
		{"no id and no cursor", "{" + huge + "}", `{"data":[%s],"has_next":false,"cursor_end":null,"type":"list"}`, "sha256:" + sum("{"+huge+"}"), "", false},
		{"an event that is a string", `"` + pad + `"`, `{"data":[%s],` + ends + `,"type":"list"}`, "aaaabbbbcccc", "", false},
		{"an event that is bad JSON", "{" + id + ` 12 "x", ` + huge + "}", `{"data":[%s],` + ends + `,"type":"list"}`, "aaaabbbbcccc", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := oversizedFrom(t, maxOversized, func(*http.Request) io.Reader { return strings.NewReader(fmt.Sprintf(test.format, test.event)) })
			if err != nil {
				t.Fatal(err)
			}
			if len(p.body) > 4*beginning {
				t.Errorf("the page keeps %d bytes", len(p.body))
			}
			events := p.events
			if len(events) != 1 || len(p.listed) != 1 {
				t.Fatalf("got %d events", len(events))
			}
			e, l := &events[0], &p.listed[0]
			if e.ID != test.id || l.id != test.id || e.Action != test.action || l.dated != test.dated || !e.Reject {
				t.Errorf("got id %q, action %q, dated %t, reject %t", e.ID, e.Action, l.dated, e.Reject)
			}
			if want := test.event[:beginning]; string(e.Raw) != want || string(l.raw) != want {
				t.Errorf("raw is not the beginning: %.80q", e.Raw)
			}
			if want := fmt.Sprintf("the event exceeds 16 MiB: %d bytes, SHA-256 %s; raw holds the first %d", len(test.event), sum(test.event), beginning); e.Problem != want {
				t.Errorf("got problem %q, want %q", e.Problem, want)
			}
			if next := strings.Contains(test.format, "true"); p.hasNext != next || next != (p.cursorEnd == "aaaabbbbcccc") {
				t.Errorf("has_next %t, cursor_end %q", p.hasNext, p.cursorEnd)
			}
		})
	}
}

// An event without end is abandoned after so many bytes or so much time. Another request
// finds out what follows.
func TestEndlessEventIsLeft(t *testing.T) {
	const most = 20 << 20
	begins := `{"data":[{"id":"a","created_at":"2026-01-02T11:00:00.000Z","location":"` + pad
	for _, behind := range []string{"", `{"id":"b"}`, begins} {
		for _, how := range []string{"bytes", "time"} {
			if how == "time" && behind != "" {
				continue
			}
			t.Run(how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var cursors []string
					p, err := oversizedFrom(t, most, func(r *http.Request) io.Reader {
						if r.URL.Query().Get("limit") != "1" {
							return strings.NewReader(begins)
						}
						cursors = append(cursors, r.URL.Query().Get("starting_after"))
						switch {
						case len(cursors) > 1 && behind == begins:
							return io.MultiReader(strings.NewReader(begins), strings.NewReader(`"}],"has_next":false,"cursor_end":"b","type":"list"}`))
						case len(cursors) > 1:
							return bytes.NewReader(answerOf(strings.Fields(behind)...))
						case how == "time":
							return io.MultiReader(strings.NewReader(begins), stalls{r.Context()})
						}
						return io.MultiReader(strings.NewReader(begins), endless{})
					})
					if err != nil {
						t.Fatal(err)
					}
					if events := p.events; len(events) != 1 || events[0].ID != "a" || !events[0].Reject || !strings.Contains(events[0].Problem, "were read") {
						t.Fatalf("got %+v", events)
					}
					if p.hasNext != (behind != "") || p.cursorEnd != "a" || fmt.Sprint(cursors) != "[ a]" {
						t.Errorf("has_next %t, cursor_end %q after requests behind %q", p.hasNext, p.cursorEnd, cursors)
					}
				})
			})
		}
	}
}

// A fault of the answer, rather than of one event, stays an error.
func TestLargeAnswerThatIsNoOversizedEvent(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"several events":    {`{"type":"list","has_next":false,"data":[{"id":"a"},{"id":"b","x":"` + pad + `"}]}`, "holds several"},
		"cut":               {`{"type":"list","has_next":false,"data":[{"id":"a","x":"` + pad, "unexpected EOF"},
		"no list":           {`{"has_next":false,"data":[{"id":"a","x":"` + pad + `"}]}`, "not a list"},
		"no has_next":       {`{"type":"list","data":[{"id":"a","x":"` + pad + `"}]}`, "not a list"},
		"no data":           {`{"type":"list","has_next":false,"x":"` + pad + `"}`, "not a list"},
		"no JSON":           {"<html>" + pad, "not JSON"},
		"an endless no one": {`{"data":[{"x":"` + pad + pad, "no id in its first"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := oversizedFrom(t, 20<<20, func(*http.Request) io.Reader { return strings.NewReader(test.body) })
			var classified *source.Error
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &classified) {
				t.Errorf("got %v, want a source.Error with %q", err, test.want)
			}
		})
	}
}

// A small event in an answer that is large for another reason is delivered.
func TestSmallEventInALargeAnswer(t *testing.T) {
	p, err := oversizedFrom(t, maxOversized, func(*http.Request) io.Reader {
		return strings.NewReader(`{"x":"` + pad + `","type":"list","has_next":false,"cursor_end":null,"data":[` + good + `]}`)
	})
	if err != nil {
		t.Fatal(err)
	}
	if events := p.events; len(events) != 1 || events[0].Reject || events[0].Problem != "" || string(events[0].Raw) != good {
		t.Errorf("got %+v", events)
	}
}

// No answer can pass for the page that stands for a larger answer.
func TestMarkIsRefusedInAnAnswer(t *testing.T) {
	_, err := oversizedFrom(t, maxOversized, func(*http.Request) io.Reader {
		return strings.NewReader(string(mark) + `{"Problem":"x","Answer":` + string(answerOf(good)) + `}`)
	})
	if err == nil || !strings.Contains(err.Error(), "not a list of events") {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

type stalls struct{ ctx context.Context }

func (s stalls) Read([]byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(time.Hour):
		return 0, io.EOF
	}
}
