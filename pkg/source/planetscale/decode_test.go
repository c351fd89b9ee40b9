package planetscale

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

var noonAhead = noon.Add(future).UnixMilli()

// simulated is a page of hostile events as the API sends it.
func simulated(tb testing.TB) []byte {
	tb.Helper()
	server := simulator.New(simulator.Config{Events: 300, Now: func() time.Time { return noon }})
	r, err := http.NewRequest(http.MethodGet, "http://api/v1/organizations/acme/audit-log?limit=100", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token")
	answer, err := server.Client().Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		tb.Fatalf("got %s, %v", answer.Status, err)
	}
	return body
}

// reference is an event as encoding/json reads it.
type reference struct {
	ID                   string          `json:"id"`
	ActorID              *string         `json:"actor_id"`
	ActorType            *string         `json:"actor_type"`
	ActorDisplayName     *string         `json:"actor_display_name"`
	AuditableID          *string         `json:"auditable_id"`
	AuditableType        *string         `json:"auditable_type"`
	AuditableDisplayName *string         `json:"auditable_display_name"`
	TargetID             *string         `json:"target_id"`
	TargetType           *string         `json:"target_type"`
	TargetDisplayName    *string         `json:"target_display_name"`
	Location             *string         `json:"location"`
	AuditAction          *string         `json:"audit_action"`
	Action               *string         `json:"action"`
	RemoteIP             *string         `json:"remote_ip"`
	CreatedAt            *string         `json:"created_at"`
	UpdatedAt            *string         `json:"updated_at"`
	Metadata             json.RawMessage `json:"metadata"`
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (r *reference) fields() []string {
	metadata := string(r.Metadata)
	if metadata == "null" {
		metadata = ""
	}
	return []string{
		r.ID, text(r.ActorID), text(r.ActorType), text(r.ActorDisplayName),
		text(r.AuditableID), text(r.AuditableType), text(r.AuditableDisplayName),
		text(r.TargetID), text(r.TargetType), text(r.TargetDisplayName),
		text(r.Location), text(r.AuditAction), text(r.Action), text(r.RemoteIP), text(r.UpdatedAt), metadata,
	}
}

// read decodes a body, and requires that skimming it sees the same.
func read(t *testing.T, body []byte) (*page, []source.Event, error) {
	t.Helper()
	p := &page{ahead: noonAhead, read: noon, body: body}
	events, err := decode(p, nil, "acme")
	skimmed, skimErr := skim(body, reading{}, noonAhead, noon)
	if (err == nil) != (skimErr == nil) {
		t.Fatalf("decode: %v, skim: %v", err, skimErr)
	}
	// Bodies are compared as a whole: byte by byte, cmp takes seconds for a large one.
	same := cmp.Options{
		cmp.AllowUnexported(page{}, reading{}, listed{}), cmpopts.EquateEmpty(),
		cmp.FilterValues(func(a, b []byte) bool { return len(a)+len(b) > 0 }, cmp.Comparer(bytes.Equal)),
	}
	if diff := cmp.Diff(p, skimmed, same); err == nil && diff != "" {
		t.Fatalf("decoded (-) and skimmed (+):\n%s", diff)
	}
	return p, events, err
}

func fields(e *source.Event) []string {
	return []string{
		e.ID, e.Actor.ID, e.Actor.Type, e.Actor.Name,
		e.Auditable.ID, e.Auditable.Type, e.Auditable.Name,
		e.Target.ID, e.Target.Type, e.Target.Name,
		e.Location, e.Action, e.Verb, e.RemoteIP, e.Updated, string(e.Metadata),
	}
}

func TestDecodeReadsWhatEncodingJSONReads(t *testing.T) {
	body := simulated(t)
	_, events, err := read(t, body)
	if err != nil {
		t.Fatal(err)
	}
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	if got, want := len(events), len(page.Data); got != want || want != 100 {
		t.Fatalf("got %d events, want %d", got, want)
	}
	for i, raw := range page.Data {
		var want reference
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.fields(), fields(&events[i])); diff != "" {
			t.Errorf("event %d (-encoding/json +decode):\n%s", i, diff)
		}
		if !bytes.Equal(events[i].Raw, raw) {
			t.Errorf("event %d: raw bytes differ", i)
		}
		if got, want := events[i].Time.Format("2006-01-02T15:04:05.000Z"), text(want.CreatedAt); got != want {
			t.Errorf("event %d: got %s, want %s", i, got, want)
		}
	}
}

func answerOf(elements ...string) []byte {
	return []byte(`{"type":"list","has_next":false,"has_prev":false,"cursor_start":null,"cursor_end":null,"data":[` + strings.Join(elements, ",") + `]}`)
}

const good = `{"id":"a","audit_action":"branch.created","created_at":"2026-01-02T11:00:00.000Z"}`

func TestOneUndecodableEventIsDeliveredRaw(t *testing.T) {
	for name, bad := range map[string]string{
		"a string":                     `"text, with ] and } and \" in it"`,
		"a number":                     `12`,
		"null":                         `null`,
		"an array":                     `[1,{"id":"x"}]`,
		"no id":                        `{"created_at":"2026-01-02T11:00:00.000Z"}`,
		"an id that is an object":      `{"id":{}}`,
		"a raw control character":      "{\"id\":\"b\",\"location\":\"a\x01b\"}",
		"a literal that is none":       `{"id":"b","metadata":nul}`,
		"a number that is none":        `{"id":"b","metadata":01}`,
		"an escape that is none":       `{"id":"b","location":"\x"}`,
		"a comma too many":             `{"id":"b",}`,
		"a quoted bracket in nonsense": `{"id":"b" "]"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p, events, err := read(t, answerOf(good, bad+" ", good))
			if err != nil {
				t.Fatal(err)
			}
			if len(events) != 3 || events[0].ID != "a" || events[2].ID != "a" {
				t.Fatalf("got %d events, want the neighbours too", len(events))
			}
			e := &events[1]
			if string(e.Raw) != bad || !strings.HasPrefix(e.ID, "sha256:") || e.Problem == "" || p.listed[1].dated {
				t.Errorf("got id %q, problem %q, raw %s", e.ID, e.Problem, e.Raw)
			}
			if want := noon.Add(-time.Hour); !e.Time.Equal(want) {
				t.Errorf("got time %s, want the neighbour's, %s", e.Time, want)
			}
		})
	}
}

// TestDataGivenTwice has the last one count, as it does in encoding/json.
func TestDataGivenTwice(t *testing.T) {
	body := strings.Replace(string(answerOf(good, good)), `"type":"list"`, `"data":[`+good+`,{"id":"x"},`+good+`],"type":"list"`, 1)
	p, events, err := read(t, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || len(p.listed) != 2 || events[1].ID != "a" {
		t.Errorf("got %d events, %d of them listed, want the last two", len(events), len(p.listed))
	}
}

func TestTimesThatDecideNothing(t *testing.T) {
	for created, dated := range map[string]bool{
		`"2026-01-02T11:00:00.000Z"`:      true,
		`"2026-01-02T13:00:00.000+02:00"`: true,
		`"2026-01-02T12:05:00Z"`:          true,
		`"2026-01-02T12:05:00.001Z"`:      false,
		`"2126-01-02T12:00:00Z"`:          false,
		`"1970-01-01T00:00:00Z"`:          false,
		`"0000-01-01T00:00:00+10:00"`:     false,
		`"yesterday"`:                     false,
		`""`:                              false,
		`null`:                            false,
		`1767351600`:                      false,
		`{}`:                              false,
	} {
		element := fmt.Sprintf(`{"id":"b","created_at":%s}`, created)
		p, events, err := read(t, answerOf(element))
		if err != nil {
			t.Fatalf("%s: %v", created, err)
		}
		e, l := &events[0], &p.listed[0]
		if l.dated != dated || dated != (e.Problem == "") || e.ID != "b" || e.Time.IsZero() {
			t.Errorf("%s: got dated %v, problem %q", created, l.dated, e.Problem)
		}
	}
}

func TestAnswersThatAreNoPages(t *testing.T) {
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `{"type":"list"}`, `<html>`,
		`{"type":"list","has_next":false}`,
		`{"type":"list","has_next":false,"data":null}`,
		`{"type":"list","has_next":false,"data":{}}`,
		`{"type":"list","data":[]}`,
		`{"type":"list","has_next":"false","data":[]}`,
		`{"type":"error","has_next":false,"data":[]}`,
		`{"type":"list","has_next":false,"cursor_end":{},"data":[]}`,
		`{"type":"list","has_next":false,"data":[]} trailing`,
		`{"type":"list","has_next":false,"data":[` + good,
		`{"type":"list","has_next":false,"data":[{"id":"a"]}`,
	} {
		if _, events, err := read(t, []byte(body)); err == nil {
			t.Errorf("%s: got %d events, want an error", body, len(events))
		}
	}
}

// FuzzScanner holds the scanner against encoding/json: they accept the same
// texts, and where both read a string it is the same one.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+7,"x\u00e9\ud83d\ude00\ud800"],"b":null}`, `"\\\"\/"`, ` [ ] `, `{"":{}}`, "\"\xff\"", `1.`, `tru`, `"a`, good} {
		f.Add([]byte(seed))
	}
	f.Add(simulated(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{text: string(data)}
		value, err := s.value(0)
		if err == nil {
			err = s.end()
		}
		if got, want := err == nil, json.Valid(data); got != want {
			t.Fatalf("got valid %v (%v), want %v: %q", got, err, want, data)
		}
		var want string
		if err != nil || value[0] != '"' || json.Unmarshal(data, &want) != nil {
			return
		}
		q := scanner{text: value}
		raw, plain, err := q.quoted()
		if err != nil {
			t.Fatal(err)
		}
		got := raw
		if !plain {
			got = unquote(raw)
		}
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// FuzzDecode requires that every element of a page arrives to the byte.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"id":"b","location":"\ud800` + "\xff" + `","metadata":{"n":12345678901234567890}}`))
	f.Fuzz(func(t *testing.T, element []byte) {
		_, events, err := read(t, answerOf(good, string(element), good))
		if !json.Valid(element) {
			return // it may close the array itself; that nothing panics is enough
		}
		if err != nil || len(events) != 3 {
			t.Fatalf("got %v for %q", err, element)
		}
		want := bytes.Trim(element, " \t\r\n")
		if e := &events[1]; !bytes.Equal(e.Raw, want) || e.ID == "" || e.Time.IsZero() {
			t.Fatalf("got %q, id %q, want %q", e.Raw, e.ID, want)
		}
	})
}

func BenchmarkSkim(b *testing.B) {
	body := simulated(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := skim(body, reading{}, noonAhead, noon); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

func BenchmarkDecode(b *testing.B) {
	p := &page{ahead: noonAhead, read: noon, body: simulated(b)}
	b.ReportAllocs()
	b.SetBytes(int64(len(p.body)))
	var events []source.Event
	for b.Loop() {
		var err error
		if events, err = decode(p, events, "acme"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

func TestIDOfAnyLengthIsBounded(t *testing.T) {
	for length, kept := range map[int]bool{1: true, maxID: true, maxID + 1: false, 1 << 20: false} {
		id := strings.Repeat("x", length)
		p, _, err := read(t, answerOf(`{"id":"`+id+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		if l := &p.listed[0]; len(l.id) > maxID || (l.id == id) != kept || l.nameless == kept {
			t.Errorf("an id of %d bytes became one of %d", length, len(l.id))
		}
	}
}
