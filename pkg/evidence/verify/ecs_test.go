package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/evidence"
	"github.com/sluice-siem/sluice/pkg/evidence/verify"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
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

// Each record states what its leaf binds, so the parser finds the facts of the event.
func TestARecordStatesItsFacts(t *testing.T) {
	p := verify.NewParser(types)
	for _, original := range []bool{true, false} {
		tr := transformer(t, ecs.Format, original, nil)
		h := newHistory(7, 300)
		for i := range h.shipped {
			e := &h.shipped[i].event
			r, err := tr.Transform(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			c, err := p.Record(r.Body, verify.Beside{})
			if err != nil {
				t.Fatalf("%v: %s", err, r.Body)
			}
			want := evidence.FactsOf(e, false)
			if c.Facts.Leaf() != want.Leaf() || c.Number != e.Number || c.Note != e.Note || c.Replayed != e.Replayed || c.Contradiction != "" {
				t.Fatalf("got %+v, want %+v of %s", c, want, r.Body)
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
		{"one of two ids", `"id":"` + e.ID, `"id":"x` + e.ID, "there are two ids"},
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
