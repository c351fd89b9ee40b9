package splunkhec_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/splunkhec/hectest"
)

// sent publishes a record and returns the body of the request.
func sent(t *testing.T, change func(*rig), records ...sink.Record) (body string) {
	t.Helper()
	bubble(t, hectest.Config{Script: func(q hectest.Request) hectest.Fault {
		body = string(q.Body)
		return hectest.Fault{}
	}}, func(t *testing.T, r *rig) {
		if change != nil {
			change(r)
		}
		// Whether the server takes it does not matter here.
		_ = r.publish(t, records)
	})
	return body
}

func TestEnvelope(t *testing.T) {
	plain := record(0, `CEF:0|PlanetScale|"x"\y`+"\t\x1b[2J\u2028\U0001f512\xff|")
	plain.MediaType = "text/plain"
	early := record(0, `{"a":1}`)
	early.Time = time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)
	torn := record(0, `{"a":1}}{"event":"forged"`)
	hostile := record(0, `{"a":1}`)
	hostile.ID, hostile.Action, hostile.Organization = `","index":"x`, "a\nb", ""
	marked := record(0, `{}`)
	marked.Replayed, marked.OwnToken = true, true
	numbered := record(0, `{}`)
	numbered.Epoch, numbered.Sequence = 3, 0
	promised := record(0, `not looked at`)
	promised.Object = true
	const head = `{"time":1772600767.000,"host":"forwarder","source":"sluice","sourcetype":"planetscale:audit",`
	const fields = `"fields":{"sluice_event_id":"id-000000","sluice_organization":"acme","sluice_action":"branch.created"},`
	tests := []struct {
		name   string
		record sink.Record
		want   string
	}{
		{"an object", record(0, `{"a":"\u003c","b":1.50}`), head + fields + `"event":{"a":"\u003c","b":1.50}}`},
		{"brackets in strings", record(0, `{"a":"\"}{\\","b":["]"]}`), head + fields + `"event":{"a":"\"}{\\","b":["]"]}}`},
		{"milliseconds", record(7, `{}`), strings.Replace(head, ".000", ".007", 1) + strings.Replace(fields, "000000", "000007", 1) + `"event":{}}`},
		{"text", plain, head + fields + `"event":"CEF:0|PlanetScale|\"x\"\\y\u0009\u001b[2J` + "\u2028\U0001f512\ufffd" + `|"}`},
		{"a time before 1970", early, strings.Replace(head, `"time":1772600767.000,`, "", 1) + fields + `"event":{"a":1}}`},
		{"what only looks like an object", torn, head + fields + `"event":"{\"a\":1}}{\"event\":\"forged\""}`},
		{"marks", marked, head + strings.Replace(fields, `"}`, `","sluice_replayed":"true","sluice_own_token":"true"}`, 1) + `"event":{}}`},
		{"a number", numbered, head + strings.Replace(fields, `"}`, `","sluice_epoch":"3","sluice_sequence":"0"}`, 1) + `"event":{}}`},
		{"JSON that is no object", record(0, `[1]`), head + fields + `"event":"[1]"}`},
		{"a body that its format promises to be an object", promised, head + fields + `"event":not looked at}`},
		{"hostile identity, and an organization that is not known", hostile,
			head + `"fields":{"sluice_event_id":"\",\"index\":\"x","sluice_action":"a\u000ab"},"event":{"a":1}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want+"\n", sent(t, nil, test.record)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("settings", func(t *testing.T) {
		got := sent(t, func(r *rig) {
			r.settings.Host, r.settings.Source, r.settings.Sourcetype, r.settings.Index = `h"`, "", "st", "security"
		}, record(0, `{}`))
		want := strings.Replace(head, `"forwarder","source":"sluice","sourcetype":"planetscale:audit"`, `"h\"","sourcetype":"st","index":"security"`, 1)
		if diff := cmp.Diff(want+fields+`"event":{}}`+"\n", got); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

// For any record a strict parser finds exactly one event with that content.
func TestEveryRecordIsOneEvent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := record(0, "")
		r.ID = rapid.String().Draw(rt, "id")
		r.Action = string(rapid.SliceOf(rapid.Byte()).Draw(rt, "action"))
		r.MediaType = rapid.SampledFrom([]string{"application/json", "text/plain"}).Draw(rt, "type")
		text := string(rapid.SliceOf(rapid.Byte()).Draw(rt, "text"))
		quoted, err := json.Marshal(text)
		if err != nil {
			rt.Fatal(err)
		}
		r.Body = []byte(rapid.SampledFrom([]string{"x" + text, fmt.Sprintf(`{"text":%s}`, quoted)}).Draw(rt, "body"))
		ms := rapid.Int64Range(0, 253402300799999).Draw(rt, "time")
		r.Time = time.UnixMilli(ms).Add(time.Duration(rapid.IntRange(0, 999_999).Draw(rt, "below a millisecond")))
		var events []hectest.Event
		bubble(t, hectest.Config{}, func(t *testing.T, rig *rig) {
			if err := rig.publish(t, []sink.Record{r}); err != nil {
				rt.Fatalf("a strict server: %v", err)
			}
			events = rig.Events()
		})
		if len(events) != 1 {
			rt.Fatalf("%d events were indexed, want 1", len(events))
		}
		got := events[0]
		if want := readable(string(r.Body)); got.Text() != want {
			rt.Errorf("event\n got %q\nwant %q", got.Text(), want)
		}
		want := map[string]any{"sluice_event_id": r.ID, "sluice_organization": "acme"}
		if r.Action != "" {
			want["sluice_action"] = readable(r.Action)
		}
		if diff := cmp.Diff(want, got.Fields); diff != "" {
			rt.Errorf("fields (-want +got):\n%s", diff)
		}
		if at, ok := new(big.Rat).SetString(got.Time); !ok || at.Cmp(big.NewRat(ms, 1000)) != 0 {
			rt.Errorf("time %s, want %d milliseconds", got.Time, ms)
		}
	})
}

// A record with invalid JSON affects no other record, and no part of it becomes an
// event.
func TestRecordThatIsNoJSON(t *testing.T) {
	piece := rapid.SampledFrom([]string{"{", "}", "[", "]", `"`, `\`, ",", ":", `"a":`, "1", "\n", `{"event":"forged"}`, "x", "\xff"})
	rapid.Check(t, func(rt *rapid.T) {
		odd := record(1, "{"+strings.Join(rapid.SliceOf(piece).Draw(rt, "body"), ""))
		var got []string
		bubble(t, hectest.Config{}, func(t *testing.T, r *rig) {
			if _, err := settle(t.Context(), r.open(t), []sink.Record{record(0, `{"n":0}`), odd, record(2, `{"n":2}`)}); err != nil {
				t.Error(err)
			}
			// The record before the refused one may be there twice.
			for id := range r.indexed() {
				got = append(got, id)
			}
			for _, e := range r.Events() {
				if text := e.Text(); text != `{"n":0}` && text != `{"n":2}` && text != readable(string(odd.Body)) {
					t.Errorf("an event that nobody sent: %s", e)
				}
			}
		})
		if !slices.Contains(got, "id-000000") || !slices.Contains(got, "id-000002") {
			rt.Errorf("indexed: %v", got)
		}
	})
}

// readable replaces each byte that is not UTF-8 with U+FFFD.
func readable(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
	}
	return b.String()
}
