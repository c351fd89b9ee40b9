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
	"github.com/sluice-siem/sluice/pkg/source/cursorlog"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

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

// page returns what a walk sees of a body that was read at noon.
type page struct {
	listed    []listed
	hasNext   bool
	cursorEnd string
	events    []source.Event
	body      []byte
}

type listed struct {
	id              string
	dated, nameless bool
	raw             []byte
}

// read decodes a body, and requires that Skim sees the same.
func read(t *testing.T, body []byte) (*page, []source.Event, error) {
	t.Helper()
	var skimmed cursorlog.Listing
	skimErr := skim(body, &skimmed)
	full, err := decode(body, nil)
	events := full.Events
	if (err == nil) != (skimErr == nil) {
		t.Fatalf("decode: %v, skim: %v", err, skimErr)
	}
	if err != nil {
		return nil, nil, err
	}
	var decoded []cursorlog.Entry
	for _, e := range events {
		entry := cursorlog.Entry{ID: e.ID, Raw: e.Raw}
		if !e.Time.IsZero() {
			entry.At = e.Time.UnixMilli()
		}
		decoded = append(decoded, entry)
	}
	// Bodies are compared as a whole: byte by byte, cmp takes seconds for a large one.
	same := cmp.Options{
		cmpopts.IgnoreUnexported(cursorlog.Entry{}), cmpopts.EquateEmpty(),
		cmp.FilterValues(func(a, b []byte) bool { return len(a)+len(b) > 0 }, cmp.Comparer(bytes.Equal)),
	}
	want := cursorlog.Listing{Entries: decoded, HasNext: full.HasNext, Cursor: full.Cursor}
	if diff := cmp.Diff(want, skimmed, same); diff != "" {
		t.Fatalf("decoded (-) and skimmed (+):\n%s", diff)
	}
	cursorlog.Complete(events, "acme", noon)
	p := &page{hasNext: skimmed.HasNext, cursorEnd: skimmed.Cursor, events: events, body: body}
	for i, e := range skimmed.Entries {
		dated := e.At != 0 && events[i].Time.UnixMilli() == e.At
		p.listed = append(p.listed, listed{id: events[i].ID, dated: dated, nameless: e.ID == "", raw: e.Raw})
	}
	return p, events, nil
}

func fields(e *source.Event) []string {
	return []string{
		e.ID, e.Actor.ID, e.Actor.Type, e.Actor.Name,
		e.Objects[0].ID, e.Objects[0].Type, e.Objects[0].Name,
		e.Objects[1].ID, e.Objects[1].Type, e.Objects[1].Name,
		e.Location, e.Action, e.Verb, e.RemoteIP, e.Modified, string(e.Metadata),
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

// TestDataGivenTwice requires that the last of two data keys counts, as in encoding/json.
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

func TestAKeyMeansTheSameWithEscapes(t *testing.T) {
	body := strings.Replace(string(answerOf(strings.Replace(good, `"id"`, `"\u0069d"`, 1))), `"data"`, `"d\u0061ta"`, 1)
	_, events, err := read(t, []byte(body))
	if err != nil || len(events) != 1 || events[0].ID != "a" {
		t.Errorf("got %d events and %v, want the one event", len(events), err)
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
	const noObject, noArray = "an answer is an object: ", "data is an array: "
	const noList, noData, noNext = `"type" is not "list"`, `"data" is missing`, `"has_next" is not a boolean`
	for body, want := range map[string]string{
		``:                                 noObject + "unexpected end",
		`{}`:                               noList,
		`[]`:                               noObject,
		`null`:                             noObject,
		`{"type":"list"}`:                  noData,
		`<html>`:                           noObject,
		`{"type":"list","has_next":false}`: noData,
		`{"type":"list","has_next":false,"data":null}`:               noArray,
		`{"type":"list","has_next":false,"data":{}}`:                 noArray,
		`{"type":"list","data":[]}`:                                  noNext,
		`{"type":"list","has_next":"false","data":[]}`:               noNext,
		`{"type":"error","has_next":false,"data":[]}`:                noList,
		`{"type":"list","has_next":false,"cursor_end":{},"data":[]}`: "cursor_end is ",
		`{"type":"list","has_next":false,"data":[]} trailing`:        "after the value: ",
		`{"type":"list","has_next":false,"data":[` + good:            "element: unexpected end",
		`{"type":"list","has_next":false,"data":[{"id":"a"]}`:        "unexpected '}'",
	} {
		if _, events, err := read(t, []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %d events and %v, want %q", body, len(events), err, want)
		}
	}
}

// FuzzDecode requires that every element of a page arrives to the byte.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"id":"b","location":"\ud800` + "\xff" + `","metadata":{"n":12345678901234567890}}`))
	f.Fuzz(func(t *testing.T, element []byte) {
		_, events, err := read(t, answerOf(good, string(element), good))
		if !json.Valid(element) {
			return // the element may close the array itself; it is enough that nothing panics
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
		var l cursorlog.Listing
		if err := skim(body, &l); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

func BenchmarkDecode(b *testing.B) {
	body := simulated(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	var p cursorlog.Page
	for b.Loop() {
		var err error
		if p, err = decode(body, p.Events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

func TestIDOfAnyLengthIsBounded(t *testing.T) {
	for length, kept := range map[int]bool{1: true, cursorlog.MaxID: true, cursorlog.MaxID + 1: false, 1 << 20: false} {
		id := strings.Repeat("x", length)
		p, _, err := read(t, answerOf(`{"id":"`+id+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		if l := &p.listed[0]; len(l.id) > cursorlog.MaxID || (l.id == id) != kept || l.nameless == kept {
			t.Errorf("an id of %d bytes became one of %d", length, len(l.id))
		}
	}
}
