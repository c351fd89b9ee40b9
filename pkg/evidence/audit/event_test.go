package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/evidence/audit"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
)

// TestEvent encodes what was found as a lane does.
func TestEvent(t *testing.T) {
	w := newWorld(600, 10*time.Minute)
	w.remove(300)
	w.alter(400)
	o := w.audit(t)
	kind := planetscale.Type()
	e, err := audit.NewEvent(kind.Product.Keys, "acme", "acme/siem", o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := audit.NewEvent(kind.Product.Keys, "acme", "acme/siem", w.audit(t))
	if err != nil || again.ID != e.ID {
		t.Errorf("told again it has the id %s, before it had %s: %v", again.ID, e.ID, err)
	}
	other, err := audit.NewEvent(kind.Product.Keys, "acme", "acme/archive", o)
	if err != nil || other.ID == e.ID {
		t.Errorf("two lanes tell it with the same id: %v", err)
	}
	catalogue, err := transform.ParseCatalogue(kind.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := ecs.Format.New(transform.Options{Product: kind.Product, Catalogue: catalogue, Settings: ecs.Format.Settings(), Original: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := encoder.Transform(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	if r.Severity != 8 {
		t.Errorf("got severity %d, want 8", r.Severity)
	}
	for _, want := range []string{
		`"action":"sluice.audit"`, `1 event has vanished from the log before its time: somebody may have removed it`,
		`1 event has other content than when it was delivered`, hashOf(300), `e400`, `2026-11-05T02:00:00Z`,
	} {
		if !strings.Contains(string(r.Body), want) {
			t.Errorf("the record lacks %s:\n%s", want, r.Body)
		}
	}
	parsed, err := kind.Parse(e.Raw, "acme")
	if err != nil || len(parsed) != 1 || parsed[0].ID != e.ID || parsed[0].Action != e.Action || string(parsed[0].Metadata) != string(e.Metadata) || parsed[0].Problem != "" {
		t.Errorf("parsed as %+v, error %v", parsed[0].Problem, err)
	}
}
