package httpsink_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/httpsink"
)

// corpus are the records that the format ecs makes of its corpus, which has hostile events,
// by their names.
func corpus(t testing.TB) (names []string, records []sink.Record) {
	t.Helper()
	paths, err := filepath.Glob("../../transform/ecs/testdata/golden/*.json")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d records, %v", len(paths), err)
	}
	for _, file := range paths {
		pretty, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		r := ecsRecord(t, pretty)
		r.ID = name // Many of them are the same event, changed in one place.
		names, records = append(names, name), append(records, r)
	}
	return names, records
}

// ecsRecord makes the record of a document, as the format does.
func ecsRecord(t testing.TB, document []byte) sink.Record {
	t.Helper()
	var body bytes.Buffer
	if err := json.Compact(&body, document); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Time         time.Time `json:"@timestamp"`
		Organization struct{ Name string }
		Event        struct{ ID, Action string }
		Planetscale  struct{ Audit marks }
		Sluice       struct{ Own marks }
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	a := d.Planetscale.Audit
	if d.Organization.Name == "" {
		a = d.Sluice.Own
	}
	return sink.Record{
		ID: d.Event.ID, Organization: d.Organization.Name, Action: d.Event.Action, Key: "k", Format: "ecs", MediaType: "application/json", Object: true,
		Time: d.Time, Severity: a.Severity, Late: a.Late, Replayed: a.Replayed, OwnToken: a.OwnToken, Unmapped: a.Unmapped, Body: body.Bytes(),
	}
}

// marks are what Sluice says of an event.
type marks struct {
	Severity                 int
	Late, Replayed, Unmapped bool
	OwnToken                 bool `json:"own_token"`
}

// alerting are the presets whose events people read.
func alerting(t *testing.T, test func(t *testing.T, r *site)) {
	for _, p := range presets {
		if slices.Contains([]string{"slack", "teams", "pagerduty"}, p.name) {
			t.Run(p.name, func(t *testing.T) { test(t, newSite(t, p)) })
		}
	}
}

// TestCardsSayWhatHappened shows each event of the corpus as people read it.
func TestCardsSayWhatHappened(t *testing.T) {
	names, records := corpus(t)
	alerting(t, func(t *testing.T, r *site) {
		if err := r.open(t).Publish(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if broken := r.Broken(); len(broken) > 0 {
			t.Errorf("%d texts are not what they seem:\n%s", len(broken), strings.Join(broken, "\n"))
		}
		texts := map[string]string{}
		for _, e := range r.Events() {
			texts[path.Base(e.ID)] += e.Text
		}
		var page strings.Builder
		for i, name := range names {
			text := texts[records[i].ID]
			if !utf8.ValidString(text) || strings.TrimSpace(text) == "" {
				t.Errorf("%s: got %q", name, text)
			}
			if slices.Contains([]string{"ordinary", "gap", "own-lane", "forged-cef", "bidi", "every-null", "late", "unknown-action"}, name) {
				fmt.Fprintf(&page, "=== %s\n%s\n\n", name, strings.TrimSpace(text))
			}
		}
		golden.Check(t, r.name+"-cards.golden", page.String())
	})
}

// hostile are texts that somebody may choose for a name.
var hostile = []string{
	"<!channel> <@U1> <https://evil.example|Approve>", "&lt;!channel&gt;", "`*Severity*` *Who* _x_ ~y~", "a`\n*Severity*\n`info",
	"[Approve](https://evil.example) **bold**", "<at>Everyone</at>", "{{DATE(2020-01-01T00:00:00Z)}} {{{{{", "\u202egnihton", "\x1b[2J\x00\x7f", "\xff\xfe",
	`"}],"text":"forged`, `\u003c!channel\u003e`, "line\u2028separator\u0085next", strings.Repeat("&", 5000), strings.Repeat("🔒", 3000), strings.Repeat("`", 3000), strings.Repeat("\u0301", 4000),
	"Id  other", "@channel @here", strings.Repeat("{", 400),
}

// TestCardsKeepHostileTextText puts hostile text wherever an event has text.
func TestCardsKeepHostileTextText(t *testing.T) {
	alerting(t, func(t *testing.T, r *site) {
		snk := r.open(t)
		for i, text := range hostile {
			record := hostileRecord(t, i, text)
			if r.name == "pagerduty" {
				record.Organization = "acme" // It is in the key; TestDedupKeys has others.
			}
			if err := snk.Publish(t.Context(), []sink.Record{record}); err != nil {
				t.Errorf("%.40q: %v", text, err)
			}
			if got, want := r.ids(), record.ID; len(got) != i+1 || got[i] != want {
				t.Fatalf("%.40q: got %v, want %s at the end", text, got, want)
			}
			if heap := regexp.MustCompile(`\pM{4,}`).FindString(r.Events()[i].Text); heap != "" {
				t.Errorf("%.40q: %d bytes of marks on one letter", text, len(heap))
			}
		}
		if broken := r.Broken(); len(broken) > 0 {
			t.Errorf("%d texts are not what they seem:\n%.2000s", len(broken), strings.Join(broken, "\n"))
		}
	})
}

// hostileRecord is a record with the text wherever it has one.
func hostileRecord(t testing.TB, n int, text string) sink.Record {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	r := cardRecord("ecs", n, 0)
	r.Organization, r.Action = text, text
	r.Body = fmt.Appendf(nil, `{"message":%[1]s,"event":{"dataset":"acme.audit"},"user":{"name":%[1]s,"id":%[1]s},"source":{"address":%[1]s,"geo":{"city_name":%[1]s}},`+
		`"acme":{"audit":{"actor":{"type":%[1]s},"object":{"type":%[1]s,"name":%[1]s,"id":%[1]s},"container":{"name":%[1]s},"location":%[1]s}}}`, quoted)
	return r
}

// No message exceeds what the service takes, however long the names and full the message.
func TestCardsKeepToTheLimits(t *testing.T) {
	alerting(t, func(t *testing.T, r *site) {
		settings := r.settings(r.origin)
		switch s := settings.(type) {
		case *httpsink.SlackSettings:
			s.EventsPerMessage = 50
		case *httpsink.TeamsSettings:
			s.EventsPerMessage = 10
		}
		for _, text := range []string{strings.Repeat("🔒", 600), strings.Repeat(`"\`, 300), strings.Repeat("&", 600)} {
			var batch []sink.Record
			for i := range 50 {
				record := hostileRecord(t, i, text)
				record.ID = fmt.Sprintf("%s-%d", record.ID, len(r.ids()))
				batch = append(batch, record)
			}
			if err := r.openWith(t, settings).Publish(t.Context(), batch); err != nil {
				t.Errorf("%.20q: %v", text, err)
			}
		}
		if broken := r.Broken(); len(broken) > 0 || len(r.ids()) != 150 {
			t.Errorf("%d events, want 150; %d texts or requests are wrong:\n%.2000s", len(r.ids()), len(broken), strings.Join(broken, "\n"))
		}
	})
}

// A record of any other format is shown as it is.
func TestCardsOfOtherFormats(t *testing.T) {
	alerting(t, func(t *testing.T, r *site) {
		record := r.record(1, 0)
		record.Format, record.MediaType, record.Object, record.Body = "text", "text/plain", false, []byte("2026-03-04 05:06:07  high  Ada  Branch deleted")
		if err := r.open(t).Publish(t.Context(), []sink.Record{record}); err != nil {
			t.Fatal(err)
		}
		if got := r.Events()[0].Text; !strings.Contains(got, "05:06:07 high Ada Branch deleted") {
			t.Errorf("got %q, want the line in it", got)
		}
	})
}

// No name can push what follows it into the next line, and emoji stay whole.
func TestBlanksThatAreNoSpaces(t *testing.T) {
	for _, c := range "\u2800\u3164\u115f\u1160\uffa0\u034f\ufe0f\u17b4\u180b\u180f\u200d\U000e0100" {
		got := httpsink.Shown("Ada"+strings.Repeat(string(c), 80)+"Severity", 200)
		if n := utf8.RuneCountInString(got); n > len("Ada")+3+len("Severity") {
			t.Errorf("%U is shown %d times in a row", c, n-len("AdaSeverity"))
		}
	}
	for _, emoji := range []string{"\u2764\ufe0f", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308"} {
		if got := httpsink.Shown("Ada "+emoji, 200); got != "Ada "+emoji {
			t.Errorf("got %q, want %q", got, "Ada "+emoji)
		}
	}
}
