package app

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/source/planetscale/simulator"
	"github.com/sluice-siem/sluice/pkg/transform/enrich/enrichtest"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
)

// redactedLane returns the lane of configs/redact.yaml that redacts.
func redactedLane(t *testing.T) config.Lane {
	t.Helper()
	vars := token("PLANETSCALE")
	vars["SECRETS"] = secrets(t, map[string]string{"redact_key": "0123456789abcdef0123456789abcdef"})
	vars["GEOIP"] = t.TempDir()
	enrichtest.Put(t, filepath.Join(vars["GEOIP"], "GeoLite2-ASN.mmdb"), enrichtest.ASN(t), enrichtest.Built)
	text, err := os.ReadFile("../../configs/redact.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lanes := parsed(t, string(text), vars).Lanes()
	i := slices.IndexFunc(lanes, func(l config.Lane) bool { return len(l.Sink.Prepare.Redact.Fields) > 0 })
	if i < 0 {
		t.Fatal("no lane of configs/redact.yaml redacts")
	}
	return lanes[i]
}

// TestTheExampleOfRedactionNamesNobody requires that no record of configs/redact.yaml
// holds a person, an e-mail address, an IP address or a place that an event of the log
// has, in any format.
func TestTheExampleOfRedactionNamesNobody(t *testing.T) {
	lane := redactedLane(t)
	redacted, err := newPreparation(lane, &prepare.Stock{})
	if err != nil {
		t.Fatal(err)
	}
	events := eventsWithPeople(t)
	personal := personalIn(t, events)
	for _, format := range kinds().Formats {
		t.Run(format.Name, func(t *testing.T) {
			lane.Sink.Format, lane.Sink.FormatSettings = format, nil
			if format.Settings != nil {
				lane.Sink.FormatSettings = format.Settings()
			}
			encoder, err := newTransformer(lane, nil)
			if err != nil {
				t.Fatal(err)
			}
			record := func(e *source.Event) string {
				r, err := encoder.Transform(nil, e)
				if err != nil {
					t.Fatal(err)
				}
				return everythingIn(r)
			}
			sent := 0
			var clear strings.Builder
			for i := range events {
				clear.WriteString(record(&events[i]))
				e, err := redacted(&events[i])
				if err != nil {
					t.Fatal(err)
				}
				if e == nil {
					continue // where does not select it
				}
				sent++
				text := record(e)
				for _, value := range personal {
					if strings.Contains(text, value) {
						t.Fatalf("%q can be read in %s", value, text)
					}
				}
			}
			if sent < len(events)/3 {
				t.Errorf("only %d of %d events were sent", sent, len(events))
			}
			// What nobody redacts must show, or the search above finds nothing.
			for _, value := range []string{"Chiara Conti", "ada@example.com", "carol@example.com"} {
				if !slices.Contains(personal, value) || !strings.Contains(clear.String(), value) {
					t.Errorf("%q is not in the records of the events as they were sent", value)
				}
			}
		})
	}
}

func everythingIn(r sink.Record) string {
	return strings.Join([]string{string(r.Body), r.Key, r.Organization, r.Action}, "\n")
}

// eventsWithPeople returns events of the simulator, and one with an e-mail address in
// each of its texts.
func eventsWithPeople(t *testing.T) []source.Event {
	t.Helper()
	all := []json.RawMessage{json.RawMessage(`{"id":"e1","actor_id":"u1k9f3jd82ma","actor_type":"User","actor_display_name":"ada@example.com","audit_action":"organization_invitation.created","action":"created","auditable_id":"o1","auditable_type":"Organization","auditable_display_name":"acme of bob@example.com","target_id":"i1","target_type":"OrganizationInvitation","target_display_name":"carol@example.com","remote_ip":"203.0.113.77","location":"Linköping, Sweden","created_at":"2026-03-14T15:09:26.535Z","updated_at":"2026-03-14T15:09:26.535Z","metadata":{"invited":{"email":"dan@example.com"}}}`)}
	events := 600
	if testing.Short() {
		events = 200
	}
	for e := range simulator.New(simulator.Config{Events: events, Tame: true}).Visible() {
		all = append(all, e.Raw)
	}
	var decoded []source.Event
	for _, raw := range all {
		parsed, err := planetscale.Parse(raw, "acme")
		if err != nil || len(parsed) != 1 || parsed[0].Problem != "" {
			t.Fatalf("got %v and error %v", parsed, err)
		}
		decoded = append(decoded, parsed[0])
	}
	return decoded
}

// personalIn returns what tells of a person in the events: the ids and names of actors
// and users, e-mail addresses, IP addresses and places.
func personalIn(t *testing.T, events []source.Event) []string {
	t.Helper()
	values := map[string]bool{"bob@example.com": true, "carol@example.com": true, "dan@example.com": true}
	for _, e := range events {
		for _, p := range []source.Party{e.Actor, e.Objects[0], e.Objects[1]} {
			if p.Type == "User" {
				values[p.ID], values[p.Name] = true, true
			}
		}
		values[e.RemoteIP], values[e.Location] = true, true
	}
	delete(values, "")
	if len(values) < 100 {
		t.Fatalf("the events hold only %d personal values", len(values))
	}
	return slices.Sorted(maps.Keys(values))
}

// TestTheRecipeInDocumentsIsTheExample compares the fields in docs/filtering.md with those
// of configs/redact.yaml.
func TestTheRecipeInDocumentsIsTheExample(t *testing.T) {
	const head = "redact:\n  key_file: /run/secrets/redact_key\n  fields:\n"
	recipes := blocks(documents(t)["docs/filtering.md"], "yaml")
	i := slices.IndexFunc(recipes, func(text string) bool { return strings.HasPrefix(text, head) })
	if i < 0 {
		t.Fatal("docs/filtering.md has no recipe")
	}
	var recipe string
	for _, f := range redactedLane(t).Sink.Prepare.Redact.Fields {
		recipe += "    - {field: " + f.Name + ", how: " + f.How + "}\n"
	}
	if diff := cmp.Diff(head+recipe, strings.TrimSpace(recipes[i])+"\n"); diff != "" {
		t.Errorf("configs/redact.yaml (-), docs/filtering.md (+):\n%s", diff)
	}
}
