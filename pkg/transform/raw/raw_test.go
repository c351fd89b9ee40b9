package raw_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
)

func open(tb testing.TB, limit int) transform.Transformer {
	tb.Helper()
	tr, err := raw.Format.New(corpus.Options(transform.Options{MaxBytes: limit}))
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

// line returns the body of an event with these bytes. As from a source, an event that is
// not JSON has a problem. With doubt, any event has one.
func line(tb testing.TB, text string, doubt bool) string {
	tb.Helper()
	e := source.Event{ID: "e", Raw: []byte(text)}
	if doubt || !json.Valid(e.Raw) {
		e.Problem = "something could not be read"
	}
	r, err := open(tb, 0).Transform(nil, &e)
	if err != nil {
		tb.Fatal(err)
	}
	return string(r.Body)
}

func TestBody(t *testing.T) {
	for _, tt := range []struct{ words, raw, want string }{
		{"an object is passed to the byte", `{"b": 1e400 ,"a":"\u0000<é\u2028","a":9007199254740993}`, `{"b": 1e400 ,"a":"\u0000<é\u2028","a":9007199254740993}`},
		{"what only some take for a line end stays", "{\"a\":\"\u2028\"}", "{\"a\":\"\u2028\"}"},
		{"any JSON value will do", `[42]`, `[42]`},
		{"line ends between tokens become spaces", "{\n\t\"a\":\r\n[1,\n2]\n}", "{ \t\"a\":  [1, 2] }"},
		{"a line end in a string is no JSON", "{\"a\":\"\n\"}", `{"original_base64":"eyJhIjoiCiJ9"}`},
		{"invalid UTF-8 is no JSON", "{\"a\":\"\xff\"}", `{"original_base64":"eyJhIjoi/yJ9"}`},
		{"two values are not one", `{}{}`, `{"original_base64":"e317fQ=="}`},
		{"nothing is no value", ``, `{"original_base64":""}`},
	} {
		t.Run(tt.words, func(t *testing.T) {
			for _, doubt := range []bool{false, true} {
				if got := line(t, tt.raw, doubt); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			}
		})
	}
}

// The hash of a numbered event can be computed from its record.
func TestANumberedEventIsThereToTheByte(t *testing.T) {
	for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
		c.Event.Number = source.Number{Epoch: 1}
		body := corpus.Encode(t, raw.Format, corpus.Options(transform.Options{}), c.Event).Body
		var wrapped struct {
			Base64 []byte `json:"original_base64"`
		}
		if bytes.HasPrefix(body, []byte(`{"original_base64":`)) {
			if err := json.Unmarshal(body, &wrapped); err != nil {
				t.Fatal(err)
			}
			body = wrapped.Base64
		}
		if !bytes.Equal(body, c.Event.Raw) {
			t.Errorf("%s: got %q, want %q", c.Name, body, c.Event.Raw)
		}
	}
	plain := corpus.Typical()
	want := string(plain.Raw)
	plain.Number.Epoch = 1
	if got := string(corpus.Encode(t, raw.Format, corpus.Options(transform.Options{}), plain).Body); got != want {
		t.Errorf("an event on one line: got %s, want it as it is", got)
	}
}

func TestEveryEventIsALineOfJSON(t *testing.T) {
	for _, c := range corpus.Cases() {
		check(t, c.Name, c.Event.Raw)
	}
}

func check(tb testing.TB, name string, text []byte) {
	tb.Helper()
	got := line(tb, string(text), false)
	if strings.ContainsAny(got, "\n\r") || !utf8.ValidString(got) || !json.Valid([]byte(got)) {
		tb.Fatalf("%s: %q is not one line of JSON", name, got)
	}
	if got == string(text) {
		return
	}
	var compact, spaced bytes.Buffer
	if utf8.Valid(text) && json.Compact(&compact, text) == nil {
		if err := json.Compact(&spaced, []byte(got)); err != nil || spaced.String() != compact.String() {
			tb.Fatalf("%s: %q is not the same value as %q", name, got, text)
		}
		return
	}
	var wrapped map[string]string
	if err := json.Unmarshal([]byte(got), &wrapped); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	if want := map[string]string{"original_base64": base64.StdEncoding.EncodeToString(text)}; !cmp.Equal(want, wrapped) {
		tb.Fatalf("%s: got %v, want %v", name, wrapped, want)
	}
}

func TestRecord(t *testing.T) {
	e := corpus.Typical()
	e.Late = true
	got, err := open(t, 0).Transform([]byte("abc"), &e)
	if err != nil {
		t.Fatal(err)
	}
	want := sink.Record{
		ID: "q7x2mk9d0a4e", Organization: "acme", Action: "deploy_request.queued", Key: "acme/d8s0k2lq91xz",
		Format: "raw", MediaType: "application/json", Time: time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC),
		Severity: 3, Late: true, Body: []byte("abc" + corpus.Original),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if string(e.Raw) != corpus.Original {
		t.Error("the event was changed")
	}
}

func TestTheEventIsNotChanged(t *testing.T) {
	e := source.Event{ID: "e", Raw: []byte("{\n}")}
	if _, err := open(t, 0).Transform(nil, &e); err != nil {
		t.Fatal(err)
	}
	if string(e.Raw) != "{\n}" {
		t.Errorf("raw is now %q", e.Raw)
	}
}

func TestLimit(t *testing.T) {
	e := corpus.Typical()
	if _, err := open(t, len(e.Raw)).Transform([]byte("abc"), &e); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := open(t, len(e.Raw)-1).Transform(nil, &e)
	if !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), e.ID) {
		t.Errorf("above the limit: got error %v, want ErrTooLarge that names the event", err)
	}
	if _, err := raw.Format.New(transform.Options{MaxBytes: -1}); err == nil || !strings.Contains(err.Error(), "largest record: -1 bytes is negative") {
		t.Errorf("got %v, want an error that the limit is negative", err)
	}
}

func FuzzRaw(f *testing.F) {
	for _, c := range corpus.Cases() {
		f.Add(c.Event.Raw)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) < 1<<19 {
			check(t, "input", text)
		}
	})
}

func BenchmarkTransform(b *testing.B) {
	tr := open(b, 0)
	e := corpus.Typical()
	dst := make([]byte, 0, 4096)
	b.SetBytes(int64(len(e.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.Transform(dst, &e); err != nil {
			b.Fatal(err)
		}
	}
}
