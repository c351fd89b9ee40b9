package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/leef"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
	"github.com/sluice-siem/sluice/pkg/transform/raw"
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
			named := false
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
