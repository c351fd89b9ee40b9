package simulator

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Scenario is something that goes wrong in the field.
//
// What can keep a reader from its aim is bounded: after some dozen requests, or
// some minutes of the server's clock, the server behaves again, so that a reader
// can be expected to converge.
// An event that a scenario makes late is listed at most [Lateness] after its
// created_at, except where the Doc says otherwise.
type Scenario struct {
	Name  string // in words joined by hyphens
	Doc   string // one sentence for people
	Apply func(*Server)
}

// Lateness is how late the late events of scenarios are at most.
const Lateness = time.Minute

// Scenarios lists all that are at hand.
func Scenarios() []Scenario {
	return slices.Concat(answerScenarios(), cursorScenarios(), historyScenarios(), contentScenarios())
}

// hang is longer than any client should wait.
const hang = 10 * time.Minute

// answerScenarios are about answers that are no page at all, or half of one.
func answerScenarios() []Scenario {
	refused := func(status int, code string) Fault {
		return Fault{Status: status, Body: `{"code":"` + code + `","message":"No"}`}
	}
	const html = "<html><head><title>503</title></head><body>\r\n<h1>Service Unavailable</h1></body></html>"
	return []Scenario{
		faulty("throttled-with-retry-after", "429 with Retry-After in seconds.", Fault{
			Status: http.StatusTooManyRequests,
			Header: http.Header{"Retry-After": {"2"}},
			Body:   `{"code":"too_many_requests","message":"Rate limit exceeded"}`,
		}, 2, 3, 7),
		{"throttled-until-a-date", "429 with Retry-After as a date.", func(s *Server) {
			s.Script(at(func(r Request) Fault {
				until := r.Time.Add(3 * time.Second).UTC().Format(http.TimeFormat)
				return Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {until}}}
			}, 1, 4))
		}},
		faulty("throttled-without-retry-after", "429 as plain text, without Retry-After.", Fault{
			Status: http.StatusTooManyRequests,
			Header: http.Header{"Content-Type": {"text/plain"}},
			Body:   "Retry later\n",
		}, 1, 5, 6),
		faulty("internal-error", "500.", refused(http.StatusInternalServerError, "internal_server_error"), 1, 4, 5),
		faulty("unavailable-with-html", "503 with an HTML page of the edge.", Fault{
			Status: http.StatusServiceUnavailable,
			Header: http.Header{"Content-Type": {"text/html"}},
			Body:   html,
		}, 2, 3, 8),
		faulty("html-with-200", "200 with an HTML page in place of JSON.", Fault{Status: http.StatusOK, Body: html}, 2, 6),
		faulty("empty-object", "200 with {}.", Fault{Status: http.StatusOK, Body: "{}"}, 1, 3, 6),
		faulty("data-is-null", "A list whose data is null.", Fault{
			Status: http.StatusOK,
			Body:   `{"type":"list","has_next":false,"has_prev":false,"cursor_start":null,"cursor_end":null,"data":null}`,
		}, 2, 5),
		faulty("body-cut", "The body ends in the middle.", Fault{Cut: true}, 1, 3, 6),
		faulty("body-stalls", "The body stops in the middle until the client gives up.", Fault{Stall: hang, Cut: true}, 2, 5),
		faulty("hangs", "No answer until the client gives up.", Fault{Delay: hang, Abort: true}, 2, 5),
		faulty("connection-reset", "The connection is closed without an answer.", Fault{Abort: true}, 1, 3, 4),
		faulty("redirect", "A redirect to another host.", Fault{
			Status: http.StatusTemporaryRedirect,
			Header: http.Header{"Location": {"https://elsewhere.example/v1/organizations/acme/audit-log"}},
		}, 1, 4),
		faulty("token-rotated", "401 for some requests in a row: the token expired and was replaced.",
			refused(http.StatusUnauthorized, "unauthorized"), 5, 6, 7, 8),
		faulty("permission-withdrawn", "403 for two requests in a row.", refused(http.StatusForbidden, "forbidden"), 3, 4),
		faulty("not-found-for-a-while", "404 for two requests in a row, whatever the cursor.",
			refused(http.StatusNotFound, "not_found"), 3, 4),
	}
}

// cursorScenarios are about pages that are well-formed and wrong.
func cursorScenarios() []Scenario {
	return []Scenario{
		{"repeated-cursor", "A page ends with the cursor that asked for it.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if n != 1 && n != 4 {
					return Fault{}
				}
				return altered(func(p *Listing) { p.HasNext, p.End = true, r.StartingAfter })
			}))
		}},
		{"cycle-of-two-cursors", "Two pages end with the cursor of one another.", func(s *Server) {
			var cycle [2]string
			s.Script(laterPages(func(n int, r Request) Fault {
				switch n {
				case 1:
					cycle[0] = r.StartingAfter
				case 2:
					cycle[1] = r.StartingAfter
				}
				i := slices.Index(cycle[:], r.StartingAfter)
				if n > 8 || n == 1 || i < 0 {
					return Fault{}
				}
				return altered(func(p *Listing) { p.HasNext, p.End = true, cycle[1-i] })
			}))
		}},
		{"next-without-cursor", "A page says that more follows and names no cursor.", func(s *Server) {
			s.Script(at(always(altered(func(p *Listing) { p.HasNext, p.End = true, "" })), 1, 3, 6))
		}},
		{"next-without-data", "A page says that more follows and holds nothing.", func(s *Server) {
			s.Script(at(always(altered(func(p *Listing) {
				*p = Listing{HasNext: true}
			})), 2, 5))
		}},
		{"repeated-event", "An event stands twice on one page.", func(s *Server) {
			s.Script(at(always(altered(func(p *Listing) {
				if len(p.Data) > 0 {
					p.Data = slices.Insert(p.Data, len(p.Data)/2, p.Data[0])
				}
			})), 1, 2, 3, 5, 8))
		}},
		{"cursor-deleted", "The event that a walk goes on from is deleted.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if n == 2 || n == 5 {
					s.Delete(r.StartingAfter)
				}
				return Fault{}
			}))
		}},
	}
}

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
		{"quiet-log", "After it was read, the whole log passes retention, and later there are events again.", func(s *Server) {
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

// contentScenarios are about what events and pages hold.
func contentScenarios() []Scenario {
	return []Scenario{
		{"odd-times", "A created_at is missing, malformed, of another form, or far in the future.", func(s *Server) {
			insertAmong(s, oddTimes())
			e := s.Draft(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
			s.Insert(e)
		}},
		{"undecodable-elements", "Elements of data are no events: other JSON values, an object without an id, a bad literal, a raw control character.", func(s *Server) {
			insertAmong(s, undecodable())
		}},
		{"new-keys", "Events and pages have keys that are not documented, and pages another order of keys.", func(s *Server) {
			insertAmong(s, []func(string) string{
				func(raw string) string { return `{"type":"AuditLogEvent",` + raw[1:] },
				func(raw string) string { return raw[:len(raw)-1] + `,"user_agent":"x","ids":[{"id":"zzzzzzzzzzzz"}]}` },
				func(raw string) string { return "{\n  " + raw[1:len(raw)-1] + "\n}" },
			})
			s.Script(func(r Request) Fault {
				return altered(func(p *Listing) {
					p.DataFirst = r.N%2 == 0
					p.Extra = `"current_page":{"data":[1],"has_next":false},"cursor_end_hint":"zzzzzzzzzzzz"`
				})
			})
		}},
		{"huge-events", "The newest hundred events are so large that a page of them exceeds 16 MiB, and half a page does not.", func(s *Server) {
			pad := strings.Repeat("0123456789abcdef", 256<<10/16)
			for range maxLimit {
				e := s.Draft(s.present())
				e.Raw = rewritten(e.Raw, "location", `"`+pad+`"`)
				s.Insert(e)
			}
		}},
	}
}

// faulty is a fault at some requests.
func faulty(name, doc string, f Fault, requests ...int) Scenario {
	return Scenario{name, doc, func(s *Server) { s.Script(at(always(f), requests...)) }}
}

func always(f Fault) Script { return func(Request) Fault { return f } }

func altered(alter func(*Listing)) Fault { return Fault{Alter: alter} }

// at runs a script at some requests only.
func at(script Script, requests ...int) Script {
	return func(r Request) Fault {
		if slices.Contains(requests, r.N) {
			return script(r)
		}
		return Fault{}
	}
}

// laterPages runs a script at requests with a cursor, which it counts from 1.
func laterPages(script func(n int, r Request) Fault) Script {
	n := 0
	return func(r Request) Fault {
		if r.StartingAfter == "" {
			return Fault{}
		}
		n++
		return script(n, r)
	}
}

// secondReads does something before the first so many requests for a page, not
// the first of a walk, that was asked for before.
func secondReads(times int, do func(Request)) Script {
	return func(r Request) Fault {
		if times > 0 && r.Again && r.StartingAfter != "" {
			times--
			do(r)
		}
		return Fault{}
	}
}

// patience is after how many requests a log counts as read even if its end was
// never reached: a reader need not go there.
const patience = 50

// settled does something a few times once the log has been read to its end,
// each time after two requests more.
func settled(times int, do func()) Script {
	since := 0
	return func(r Request) Fault {
		if r.Ends == 0 && r.N <= patience {
			return Fault{}
		}
		since++
		if since%3 == 0 && since/3 <= times {
			do()
		}
		return Fault{}
	}
}

// insertAmong puts altered events among the latest of the log.
func insertAmong(s *Server, alterations []func(raw string) string) {
	now := s.present()
	for i, alter := range alterations {
		e := s.Draft(now.Add(-time.Duration(i) * 1700 * time.Millisecond))
		e.Raw = []byte(alter(string(e.Raw)))
		s.Insert(e)
	}
}

func oddTimes() []func(string) string {
	values := []string{
		`null`, `""`, `"yesterday"`, `1753000000`, `"2026-13-45T99:99:99Z"`, `"2026-01-02 03:04:05"`,
		`"2026-01-02T03:04:05+02:00"`, `"2026-01-02T03:04:05.123456789Z"`, `"0000-00-00T00:00:00.000Z"`,
		`"9999-12-31T23:59:59.999Z"`, `{"at":1}`,
	}
	all := []func(string) string{func(raw string) string {
		return strings.Replace(raw, `"created_at":`, `"made_at":`, 1)
	}}
	for _, v := range values {
		all = append(all, func(raw string) string { return string(rewritten([]byte(raw), "created_at", v)) })
	}
	return all
}

func undecodable() []func(string) string {
	var all []func(string) string
	for _, raw := range []string{
		`"text"`, `42`, `null`, `true`, `[]`, `{}`, `[{"id":"zzzzzzzzzzzz"}]`,
		`{"id":42,"audit_action":["database.deleted"]}`,
		`{"id":"","audit_action":null,"created_at":"2026-01-02T03:04:05.000Z"}`,
		`{"audit_action":"database.deleted","metadata":{"id":"yyyyyyyyyyyy"}}`,
	} {
		all = append(all, func(string) string { return raw })
	}
	return append(all,
		func(raw string) string { return string(rewritten([]byte(raw), "location", "\"line\nfeed\x00\"")) },
		func(raw string) string { return string(rewritten([]byte(raw), "location", `tru`)) },
		func(raw string) string { return string(rewritten([]byte(raw), "location", `"bad \x escape"`)) },
		func(raw string) string { return string(rewritten([]byte(raw), "location", `01.`)) },
	)
}

// rewritten is an event with another value for a key that has a string or null.
func rewritten(raw []byte, key, value string) []byte {
	before, after, found := strings.Cut(string(raw), `,"`+key+`":`)
	if !found {
		return raw
	}
	end := strings.Index(after, `,"`)
	return []byte(before + `,"` + key + `":` + value + after[end:])
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
