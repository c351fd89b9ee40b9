package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/redact"
)

// nested is a product whose raw events have nested objects.
var nested = source.Product{
	Name:    "Acme Vault",
	Objects: [2]string{"safe"},
	Keys: source.Keys{
		ID: "meta.ref", Actor: source.Party{ID: "who.id", Type: "who.kind", Name: "who.name.login"}, RemoteIP: "from", Metadata: "meta.more",
		Objects: [2]source.Party{{ID: "safe.id"}}, Kept: []string{"meta.type"},
	},
}

func openNested(t *testing.T, p *source.Product, fields ...string) *redact.Redactor {
	t.Helper()
	var s redact.Settings
	for _, name := range fields {
		s.Fields = append(s.Fields, redact.Field{Name: name, How: "mask"})
	}
	r, err := redact.New(s, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeysWithinKeys(t *testing.T) {
	const metadata = `{"login":"login","seal":"wax"}`
	event := func(name string) source.Event {
		return source.Event{
			ID: "login", Actor: source.Party{ID: "u1", Type: "kind", Name: name}, RemoteIP: "203.0.113.7", Metadata: []byte(metadata),
			Objects: [2]source.Party{{ID: "s1"}},
			Raw: []byte(`{"meta":{"ref":"login","type":"login","more":` + metadata + `},"who":{"id":"u1","kind":"kind","name":{"login":"` + name + `"}},` +
				`"from":"203.0.113.7","safe":{"id":"s1","x":"login"}}`),
		}
	}
	r := openNested(t, &nested, "actor.name", "safe.id", "metadata.seal")
	for range 2 { // For the second event, the order of the keys is known.
		e := event("login")
		got := r.Redact(&e)
		const want = `{"meta":{"ref":"login","type":"login","more":{"[masked]":"[masked]","seal":"[masked]"}},"who":{"id":"u1","kind":"kind","name":{"login":"[masked]"}},` +
			`"from":"203.0.113.7","safe":{"id":"[masked]","x":"[masked]"}}`
		if string(got.Raw) != want {
			t.Fatalf("got  %s\nwant %s", got.Raw, want)
		}
		if string(got.Metadata) != `{"[masked]":"[masked]","seal":"[masked]"}` {
			t.Errorf("got metadata %s", got.Metadata)
		}
		if got.Objects[0].ID != "[masked]" || got.Actor.Name != "[masked]" || got.Actor.ID != "u1" {
			t.Errorf("got %+v and %+v", got.Actor, got.Objects[0])
		}
	}
	t.Run("an event that cannot be read keeps its id under the product's keys", func(t *testing.T) {
		e := source.Event{ID: "e1", Raw: []byte("?"), Problem: "it is not JSON"}
		if got := r.Redact(&e); !strings.HasPrefix(string(got.Raw), `{"meta":{"ref":"e1"},"withheld":"`) {
			t.Errorf("got %s", got.Raw)
		}
	})
}

// If the product does not name the place of a field in the raw event, the field cannot be
// redacted. Metadata whose place is unknown is left out, since it could hold anything.
func TestWhatStandsNobodyKnowsWhere(t *testing.T) {
	p := nested
	p.Keys.Metadata, p.Keys.Location = "", ""
	for _, name := range []string{"location", "metadata", "metadata.seal", "safe.name"} {
		_, err := redact.New(redact.Settings{Fields: []redact.Field{{Name: name, How: "mask"}}}, &p)
		if err == nil || !strings.HasSuffix(err.Error(), "fields[0].field: cannot be redacted: its place is unknown in the raw events of Acme Vault") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := redact.New(redact.Settings{Fields: []redact.Field{{Name: ".id", How: "mask"}}}, &p); err == nil {
		t.Error("an object without a name was accepted")
	}
	e := source.Event{ID: "e1", Actor: source.Party{Name: "Ada"}, Metadata: []byte(`{"a":"Ada"}`), Raw: []byte(`{"who":{"name":{"login":"Ada"}}}`)}
	if got := openNested(t, &p, "actor.name").Redact(&e); len(got.Metadata) > 0 {
		t.Errorf("got metadata %s", got.Metadata)
	}
}

// TestOwnLog requires that a person is redacted in all of an event of Sluice's own log.
func TestOwnLog(t *testing.T) {
	product := ownlog.Type().Product
	r, err := redact.New(redact.Settings{Fields: []redact.Field{{Name: "actor.name", How: "mask"}}}, &product)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range corpus.OwnCases() {
		got := r.Redact(&c.Event)
		if all := got.Actor.Name + got.Text + string(got.Metadata) + string(got.Raw); strings.Contains(all, "Lovelace") || !json.Valid(got.Raw) {
			t.Errorf("%s: got %s", c.Name, all)
		}
	}
}
