package simulator

import (
	"net/http"
	"slices"
	"time"
)

// hang is longer than any client should wait.
const hang = 10 * time.Minute

// answerScenarios have answers that are no page, or part of one.
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
		faulty("throttled-for-a-day", "429 with Retry-After: 86400.", Fault{
			Status: http.StatusTooManyRequests,
			Header: http.Header{"Retry-After": {"86400"}},
		}, 2, 6),
		faulty("throttled-for-no-time", "429 with Retry-After: 0.", Fault{
			Status: http.StatusTooManyRequests,
			Header: http.Header{"Retry-After": {"0"}},
		}, 1, 3, 4, 9),
		{"throttled-until-an-old-date", "429 with Retry-After as a date that has passed, in the forms of RFC 850 and asctime.", func(s *Server) {
			s.Script(at(func(r Request) Fault {
				form := []string{"Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}[r.N%2]
				until := r.Time.Add(-time.Hour).UTC().Format(form)
				return Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {until}}}
			}, 2, 5))
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

// cursorScenarios have pages that are well-formed and wrong.
func cursorScenarios() []Scenario {
	return []Scenario{
		{"repeated-cursor", "A page ends with the cursor that requested it.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if n != 1 && n != 4 {
					return Fault{}
				}
				return altered(func(p *Listing) { p.HasNext, p.End = true, r.StartingAfter })
			}))
		}},
		{"cycle-of-two-cursors", "Each of two pages ends with the cursor that requested the other.", func(s *Server) {
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
		{"next-without-cursor", "A page reports that more follows, but has no cursor.", func(s *Server) {
			s.Script(at(always(altered(func(p *Listing) { p.HasNext, p.End = true, "" })), 1, 3, 6))
		}},
		{"next-without-data", "A page reports that more follows, but is empty.", func(s *Server) {
			s.Script(at(always(altered(emptied)), 2, 5))
		}},
		{"empty-pages", "One in six pages behind a cursor reports that more follows, but is empty.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if n%6 != 3 || r.N > 90 {
					return Fault{}
				}
				return altered(emptied)
			}))
		}},
		{"ends-too-early", "Pages report that nothing follows, although something does.", func(s *Server) {
			s.Script(at(always(altered(ended)), 1, 3, 8, 13))
		}},
		{"repeated-event", "A page holds an event twice.", func(s *Server) {
			s.Script(at(always(altered(func(p *Listing) {
				if len(p.Data) > 0 {
					p.Data = slices.Insert(p.Data, len(p.Data)/2, p.Data[0])
				}
			})), 1, 2, 3, 5, 8))
		}},
		{"cursor-deleted", "The event whose id is the next cursor of a walk is deleted.", func(s *Server) {
			s.Script(laterPages(func(n int, r Request) Fault {
				if n == 2 || n == 5 {
					s.Delete(r.StartingAfter)
				}
				return Fault{}
			}))
		}},
	}
}

func emptied(p *Listing) { *p = Listing{HasNext: true} }

func ended(p *Listing) { p.HasNext = false }
