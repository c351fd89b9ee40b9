package simulator

import (
	"strings"
	"time"
)

// contentScenarios have events and pages with unusual content.
func contentScenarios() []Scenario {
	return []Scenario{
		{"odd-times", "A created_at is missing, malformed, of another form, or far in the future.", func(s *Server) {
			insertAmong(s, oddTimes())
			e := s.Draft(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
			s.Insert(e)
		}},
		{"undecodable-elements", "Elements of data are not events: other JSON values, an object without an id, a bad literal, a raw control character.", func(s *Server) {
			insertAmong(s, undecodable())
		}},
		{"new-keys", "Events and pages have undocumented keys, and pages have another order of keys.", func(s *Server) {
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
		{"huge-events", "The newest hundred events are large: a page of them exceeds 16 MiB, half a page does not.", func(s *Server) {
			pad := strings.Repeat("0123456789abcdef", 256<<10/16)
			for range maxLimit {
				e := s.Draft(s.present())
				e.Raw = rewritten(e.Raw, "location", `"`+pad+`"`)
				s.Insert(e)
			}
		}},
		{"oversized-events", "Two events among ordinary ones exceed 16 MiB each, and one has its id at its end; pages have data first or last.", func(s *Server) {
			insertAmong(s, []func(string) string{
				Oversized,
				func(raw string) string { return raw },
				func(raw string) string {
					id, rest, _ := strings.Cut(strings.TrimPrefix(raw, "{"), ",")
					return strings.TrimSuffix(Oversized("{"+rest), "}") + "," + id + "}"
				},
			})
			s.Script(func(r Request) Fault {
				if r.N%5 > 0 {
					return Fault{}
				}
				return altered(func(p *Listing) { p.DataFirst = true })
			})
		}},
	}
}

// Oversized makes an event larger than 16 MiB.
func Oversized(raw string) string {
	return string(rewritten([]byte(raw), "location", `"`+strings.Repeat("0123456789abcdef", (16<<20)/16+1)+`"`))
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

// rewritten replaces the value of a key of an event. The value must be a string or null.
func rewritten(raw []byte, key, value string) []byte {
	before, after, found := strings.Cut(string(raw), `,"`+key+`":`)
	if !found {
		return raw
	}
	end := strings.Index(after, `,"`)
	return []byte(before + `,"` + key + `":` + value + after[end:])
}
