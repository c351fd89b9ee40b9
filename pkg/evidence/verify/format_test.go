package verify_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/setting"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

var (
	types     = []source.Type{planetscale.Type()}
	catalogue = must(transform.ParseCatalogue(planetscale.Type().Catalogue))
)

func transformer(t *testing.T, f transform.Format, original bool, settings any) transform.Transformer {
	t.Helper()
	tr, err := f.New(transform.Options{
		Original: original, Host: "forwarder-1", Version: "1.2.3", Product: types[0].Product, Catalogue: catalogue, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// formats are all that state facts, each with what its destination keeps beside a record.
var formats = []struct {
	name     string
	format   transform.Format
	settings any
	original bool
	carried  bool
}{
	{"ecs", ecs.Format, nil, true, false},
	{"ecs without originals", ecs.Format, nil, false, false},
	{"ocsf", ocsf.Format, nil, true, false},
	{"ocsf with classes", ocsf.Format, &ocsf.Settings{Classes: "iam"}, true, false},
	{"cef", cef.Format, nil, false, false},
	{"cef 1", cef.Format, &cef.Settings{Version: 1}, false, true},
	{"leef", leef.Format, nil, false, false},
	{"leef for relays", leef.Format, &leef.Settings{Delimiter: "^"}, false, true},
	{"raw", raw.Format, nil, false, true},
}

func besideOf(r *sink.Record, lane string) verify.Beside {
	return verify.Beside{
		Number: source.Number{Epoch: r.Epoch, Sequence: r.Sequence}, Lane: lane, ID: r.ID, Organization: r.Organization,
		Action: r.Action, Time: r.Time, Replayed: r.Replayed,
	}
}

// Each record states what its leaf binds, so the parser finds the facts of the event.
func TestARecordStatesItsFacts(t *testing.T) {
	p := verify.NewParser(types)
	for _, f := range formats {
		tr := transformer(t, f.format, f.original, f.settings)
		h := newHistory(7, 300)
		for i := range h.shipped {
			e := &h.shipped[i].event
			r, err := tr.Transform(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			var beside verify.Beside
			if f.carried {
				beside = besideOf(&r, "")
			}
			c, err := p.Record(r.Body, beside)
			if err != nil {
				t.Fatalf("%s: %v: %s", f.name, err, r.Body)
			}
			want := evidence.FactsOf(e, r.Truncated)
			named := !e.Number.Given() && e.Note == "" // A record without a number need not state which object is which.
			for _, reading := range append(c.Others, c.Facts) {
				named = named || reading.Leaf() == want.Leaf()
			}
			if !named || c.Number != e.Number || c.Note != e.Note || c.Replayed != e.Replayed || c.Contradiction != "" {
				t.Fatalf("%s: got %+v, want %+v of %s", f.name, c, want, r.Body)
			}
		}
	}
}

// What a third party changes in the text of a record, while it leaves hash and id, is told.
func TestAChangedOriginalDeniesItsHash(t *testing.T) {
	p := verify.NewParser(types)
	tr := transformer(t, ecs.Format, true, nil)
	h := newHistory(7, 10)
	e := h.shipped[slices.IndexFunc(h.shipped, func(s shipment) bool { return s.event.Number.Given() })].event
	r, err := tr.Transform(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"the original", `Chicago, IL`, `Boston, MA`, "the hash is not that of the original event"},
		{"one of two ids", `"id":"` + e.ID, `"id":"x` + e.ID, "event.id is"},
		{"a key twice", `"kind":"event",`, `"kind":"event","kind":"event",`, "the key kind is there twice"},
		{"the epoch", `"epoch":1`, `"epoch":"one"`, "its number is not whole"},
	} {
		body := strings.Replace(string(r.Body), c.from, c.to, 1)
		if c.name == "the original" {
			body = strings.ReplaceAll(string(r.Body), c.from, c.to)
		}
		claim, err := p.Record([]byte(body), verify.Beside{})
		if err != nil || !strings.Contains(claim.Contradiction, c.want) {
			t.Errorf("%s: got %q, %v, want %q", c.name, claim.Contradiction, err, c.want)
		}
	}
}

// The fields of a record say what its original says, whatever its destination did to the
// layout.
func TestFieldsAreComparedWithTheOriginal(t *testing.T) {
	p := verify.NewParser(types)
	if err := p.MapAgain(verify.Mapping{Formats: []transform.Format{ecs.Format, ocsf.Format}, Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	for _, f := range formats[:4] {
		h := newHistoryIn(transformer(t, f.format, f.original, f.settings), 5, 200)
		records, _ := h.records(t)
		for i := range records {
			for layout, text := range map[string]string{"as it was": body(&records[i]), "with blanks": indented(t, body(&records[i])), "enriched": enriched(body(&records[i]))} {
				c, err := p.Record([]byte(text), verify.Beside{})
				if err != nil || c.Contradiction != "" {
					t.Fatalf("%s, %s: %s, %v: %s", f.name, layout, c.Contradiction, err, text)
				}
			}
		}
	}
}

func indented(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", " "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// enriched is a record to which its destination has added fields of its own.
func enriched(text string) string {
	return `{"agent":{"id":"x"},"event.ingested":"2026-03-01T00:00:00Z",` + text[1:]
}

func TestChangedFieldsDenyTheOriginal(t *testing.T) {
	for _, c := range []struct{ name, format, from, to, want string }{
		{"an address", "ecs", `"address":"203.0.113.7"`, `"address":"203.0.113.8"`, `source.address is "203.0.113.8", and its original gives "203.0.113.7"`},
		{"a name", "ecs", `"full_name":"ada@example.com"`, `"full_name":"eve@example.com"`, `user.full_name is "eve@example.com", and actor.name is "ada@example.com"`},
		{"the sentence", "ecs", `"message":"`, `"message":"not `, `message is "not `},
		{"a field more", "ecs", `"source":{`, `"source":{"nat":"x",`, `source.nat is "x", and its original gives none`},
		{"a field less", "ecs", `"location":"Chicago, IL",`, ``, `planetscale.audit.location is missing, and its original gives "Chicago, IL"`},
		{"the severity", "ecs", `"severity":`, `"severity":1`, "planetscale.audit.severity is 1"},
		{"the class", "ocsf", `"severity_id":`, `"severity_id":1`, "severity_id is 1"},
		{"who did it", "ocsf", `"actor":{"user":{"uid":"u1","name":"ada@example.com"`, `"actor":{"user":{"uid":"u1","name":"eve@example.com"`, "actor.user.name is"},
	} {
		for _, version := range []string{"1.2.3", "1.2.4"} {
			p := verify.NewParser(types)
			if err := p.MapAgain(verify.Mapping{Formats: []transform.Format{ecs.Format, ocsf.Format}, Version: version}); err != nil {
				t.Fatal(err)
			}
			f := formats[0]
			if c.format == "ocsf" {
				f = formats[2]
			}
			h := newHistoryIn(transformer(t, f.format, true, f.settings), 5, 200)
			records, _ := h.records(t)
			i := slices.IndexFunc(records, func(r sink.Record) bool {
				return r.Epoch > 0 && !r.Truncated && strings.Contains(string(r.Body), c.from)
			})
			if i < 0 {
				t.Fatalf("%s: no record has %s", c.name, c.from)
			}
			claim, err := p.Record([]byte(strings.Replace(string(records[i].Body), c.from, c.to, 1)), verify.Beside{})
			// Another version may say another sentence, and have another severity.
			known := version == "1.2.3" || c.name != "the sentence" && c.name != "the severity" && c.name != "the class"
			if err != nil || strings.Contains(claim.Contradiction, c.want) != known {
				t.Errorf("%s, version %s: got %q, %v, want %q", c.name, version, claim.Contradiction, err, c.want)
			}
		}
	}
}

// A record of a redacted event says what its redacted original says.
func TestRedactedRecordsDenyNothing(t *testing.T) {
	p := verify.NewParser(types)
	if err := p.MapAgain(verify.Mapping{Formats: []transform.Format{ecs.Format, ocsf.Format}, Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	redactor, err := redact.New(redact.Settings{Key: setting.NewSecret("a key of at least thirty-two bytes"), Fields: []redact.Field{
		{Name: "actor.name", How: "hash"}, {Name: "remote_ip", How: "mask"}, {Name: "metadata.text", How: "remove"}, {Name: "location", How: "remove"},
	}}, &types[0].Product)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats[:4] {
		tr := transformer(t, f.format, f.original, f.settings)
		for _, s := range newHistory(3, 200).shipped {
			if s.note != nil {
				continue
			}
			e := redactor.Redact(&s.event)
			r, err := tr.Transform(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := p.Record(r.Body, verify.Beside{}); err != nil || c.Contradiction != "" {
				t.Fatalf("%s: %s, %v: %s", f.name, c.Contradiction, err, r.Body)
			}
		}
	}
}
