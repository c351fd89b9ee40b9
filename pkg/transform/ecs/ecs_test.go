package ecs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/internal/golden"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/ecs"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

var full = corpus.Options(transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3"})

func open(tb testing.TB, o transform.Options) transform.Transformer {
	tb.Helper()
	return corpus.Open(tb, ecs.Format, o)
}

func encode(tb testing.TB, o transform.Options, e source.Event) sink.Record {
	tb.Helper()
	return corpus.Encode(tb, ecs.Format, o, e)
}

// parse encodes an event, checks the record against the schema, and returns its fields.
func parse(tb testing.TB, o transform.Options, e source.Event) document {
	tb.Helper()
	r := encode(tb, o, e)
	d, err := readFacts(tb).judge(r.Body)
	if err != nil {
		tb.Fatalf("%v\n%s", err, r.Body)
	}
	checkCopies(tb, o, e, d)
	return d
}

// checkCopies requires that the fields which copy the event equal it.
func checkCopies(tb testing.TB, o transform.Options, e source.Event, d document) {
	tb.Helper()
	want := document{
		"event.id":             clean(e.ID),
		"planetscale.audit.id": clean(e.ID),
		"organization.name":    clean(e.Organization),
		"event.hash":           fmt.Sprintf("%x", sha256.Sum256(e.Raw)),
	}
	if e.Note != "" {
		want["planetscale.audit.note"] = e.Note
	} else if o.Original && d["planetscale.audit.truncated"] == nil {
		want["event.original"] = clean(string(e.Raw))
		if !utf8.Valid(e.Raw) {
			want["planetscale.audit.original_base64"] = base64.StdEncoding.EncodeToString(e.Raw)
		}
	}
	if d["planetscale.audit.truncated"] == nil {
		for path, value := range map[string]string{
			"event.action":                     e.Action,
			"error.message":                    corpus.Problem(&e),
			"source.address":                   e.RemoteIP,
			"planetscale.audit.action":         e.Verb,
			"planetscale.audit.actor.id":       e.Actor.ID,
			"planetscale.audit.actor.name":     e.Actor.Name,
			"planetscale.audit.auditable.type": e.Objects[0].Type,
			"planetscale.audit.auditable.id":   e.Objects[0].ID,
			"planetscale.audit.auditable.name": e.Objects[0].Name,
			"planetscale.audit.target.type":    e.Objects[1].Type,
			"planetscale.audit.target.id":      e.Objects[1].ID,
			"planetscale.audit.target.name":    e.Objects[1].Name,
			"planetscale.audit.location":       e.Location,
			"planetscale.audit.metadata":       string(e.Metadata),
		} {
			if value != "" {
				want[path] = clean(value)
			} else if d[path] != nil {
				tb.Errorf("%s is %q, want none", path, d[path])
			}
		}
	}
	for path, value := range want {
		if got := d.text(path); got != value {
			tb.Errorf("%s: got %q, want %q", path, got, value)
		}
	}
	checkEvidence(tb, e, d)
}

// checkEvidence requires that a record has the event's number and note, and no other.
func checkEvidence(tb testing.TB, e source.Event, d document) {
	tb.Helper()
	var sequence, epoch, note any
	if e.Number.Given() {
		sequence, epoch = json.Number(fmt.Sprint(e.Number.Sequence)), json.Number(fmt.Sprint(e.Number.Epoch))
	}
	if e.Note != "" {
		note = e.Note
	}
	got := [...]any{d["event.sequence"], d["planetscale.audit.epoch"], d["planetscale.audit.note"]}
	if want := [...]any{sequence, epoch, note}; got != want {
		tb.Errorf("sequence, epoch and note are %v, want %v", got, want)
	}
}

// clean returns a text as JSON can hold it: each byte that is not UTF-8 becomes U+FFFD.
func clean(s string) string { return string([]rune(s)) }

// TestOwnLog requires that the events of Sluice's own log are documents of the schema.
func TestOwnLog(t *testing.T) {
	o := corpus.OwnOptions(full)
	for _, c := range corpus.OwnCases() {
		t.Run(c.Name, func(t *testing.T) {
			body := corpus.Encode(t, ecs.Format, o, c.Event).Body
			d, err := readFacts(t).judge(body)
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			if d["event.dataset"] != "sluice.own" || d["event.action"] != c.Event.Action || !c.Event.Gap && d["message"] != c.Event.Text {
				t.Errorf("dataset, action and message are %v, %v and %v", d["event.dataset"], d["event.action"], d["message"])
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "golden/"+c.Name+".json", indented.String()+"\n")
		})
	}
}

func TestGolden(t *testing.T) {
	for _, c := range slices.Concat(corpus.Cases(), corpus.EvidenceCases()) {
		t.Run(c.Name, func(t *testing.T) {
			parse(t, full, c.Event)
			r := encode(t, full, c.Event)
			var indented bytes.Buffer
			if err := json.Indent(&indented, r.Body, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "golden/"+c.Name+".json", indented.String()+"\n")
		})
	}
}

func TestEveryActionIsClassifiedAsTheSchemaExpects(t *testing.T) {
	resources, verbs := map[string]bool{"": true, "unheard": true}, map[string]bool{"": true, "unheard": true, "viewed": true}
	for _, action := range corpus.Actions() {
		resource, verb, _ := strings.Cut(action, ".")
		resources[resource], verbs[verb] = true, true
	}
	tr, facts := open(t, full), readFacts(t)
	e := corpus.Typical()
	for resource := range resources {
		for verb := range verbs {
			e.Action = resource + "." + verb
			r, err := tr.Transform(nil, &e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := facts.judge(r.Body); err != nil {
				t.Errorf("%s: %v", e.Action, err)
			}
		}
	}
}

func TestRecord(t *testing.T) {
	corpus.CheckRecord(t, ecs.Format, full, sink.Record{Format: "ecs", MediaType: "application/json", Object: true})
}

func TestFields(t *testing.T) {
	cases := map[string]source.Event{}
	for _, c := range corpus.Cases() {
		cases[c.Name] = c.Event
	}
	type fields map[string]any
	for _, tt := range []struct {
		words, event string
		want         fields // nil: the field is absent
	}{
		{"an event is nested and has arrays where the schema wants them", "ordinary", fields{
			"event.category": []any{"configuration", "database"}, "event.type": []any{"change"}, "event.outcome": "success",
			"@timestamp": "2026-03-14T15:09:26.535Z", "event.created": "2026-03-14T15:09:28.535Z",
			"source.ip": "203.0.113.77", "client.ip": "203.0.113.77", "related.ip": []any{"203.0.113.77"},
			"related.user": []any{"u1k9f3jd82ma", "ada.lovelace@example.com"}, "user.email": "ada.lovelace@example.com",
			"planetscale.audit.unmapped": nil, "planetscale.audit.late": nil, "error.message": nil,
		}},
		{"a null actor is the system and no user", "system", fields{
			"user.id": nil, "user.name": nil, "related.user": nil,
			"planetscale.audit.actor.type": "System", "planetscale.audit.actor.name": "PlanetScale",
		}},
		{"a service token acts as a user", "service-token", fields{
			"user.name": "ci-deploy", "user.email": nil, "planetscale.audit.actor.type": "ServiceToken",
		}},
		{"the user it was done to is the target", "user-is-target", fields{
			"user.target.id": "u77", "user.target.name": "Grace Hopper", "event.category": []any{"iam"},
			"event.type":   []any{"change", "user"},
			"related.user": []any{"u1k9f3jd82ma", "ada.lovelace@example.com", "u77", "Grace Hopper"},
		}},
		{"a membership names its user and not by its own id", "membership-changes-role", fields{
			"user.target.id": nil, "user.target.name": "grace@example.com", "user.target.email": "grace@example.com",
		}},
		{"a team is a group, also of the user added to it", "member-of-team", fields{
			"group.id": "t9", "group.name": "Storage", "user.target.group.name": "Storage", "event.type": []any{"change", "group", "user"},
		}},
		{"a team alone is no group of a user", "team-created", fields{
			"group.name": "Storage", "user.target.group.name": nil, "event.type": []any{"creation", "group"},
		}},
		{"a read has no outcome", "read", fields{"event.outcome": nil, "event.type": []any{"access"}}},
		{"signing in is authentication", "signed-in", fields{
			"event.category": []any{"authentication"}, "event.type": []any{"start"},
		}},
		{"an address with a zone is only shown", "address-with-zone", fields{
			"source.address": "fe80::1%eth0", "source.ip": nil, "client.ip": nil, "related.ip": nil,
		}},
		{"text that is no address is only shown", "no-address", fields{"source.ip": nil}},
		{"an IPv4 address in an IPv6 one is an IPv4 address", "ipv4-in-ipv6", fields{"source.ip": "203.0.113.9"}},
		{"an IPv6 address is shown in its own form", "ipv6", fields{"source.ip": "2001:db8::7", "source.address": "2001:DB8:0:0::7"}},
		{"metadata is a string whatever it is", "metadata-array", fields{"planetscale.audit.metadata": "[]"}},
		{"an unknown action passes, marked", "unknown-action", fields{
			"event.category": []any{"configuration"}, "event.type": []any{"info"}, "planetscale.audit.unmapped": true,
		}},
		{"a time before 1970 gives way to the time of reading", "time-before-1970", fields{
			"@timestamp": "2026-03-14T15:09:28.535Z", "planetscale.audit.updated_at": nil,
		}},
		{"a time is cut to milliseconds and moved to UTC", "time-with-zone", fields{
			"@timestamp": "2026-03-14T15:09:26.535Z", "planetscale.audit.updated_at": "2026-03-14T23:00:00.000Z",
		}},
		{"an update time that is none is left out", "time-unreadable", fields{
			"planetscale.audit.updated_at": nil, "event.kind": "pipeline_error", "error.message": "created_at is not a time",
			"planetscale.audit.problem": "created_at is not a time",
		}},
		{"an event that cannot be decoded is delivered", "undecodable-bytes", fields{
			"event.kind": "pipeline_error", "event.original": "\ufffd\ufffd\x00=|\r\n",
			"planetscale.audit.original_base64": "//4APXwNCg==", "planetscale.audit.actor.type": nil,
		}},
		{"a gap is an event of Sluice's own", "gap", fields{
			"event.kind": "event", "event.action": "sluice.gap", "planetscale.audit.gap": true, "planetscale.audit.actor.type": nil,
			"event.category": []any{"configuration"}, "event.type": []any{"info"}, "planetscale.audit.unmapped": nil,
		}},
		{"a late event says so", "late", fields{"planetscale.audit.late": true}},
		{"a replayed event says so", "replayed", fields{"planetscale.audit.replayed": true, "planetscale.audit.own_token": nil}},
		{"an event about Sluice's own token says so and is severe", "own-token", fields{
			"planetscale.audit.own_token": true, "planetscale.audit.replayed": nil, "planetscale.audit.severity": json.Number("8"),
		}},
		{"the object is told apart from what it lies in", "ordinary", fields{
			"planetscale.audit.object.type": "DeployRequest", "planetscale.audit.object.id": "d8s0k2lq91xz",
			"planetscale.audit.container.type": "Database", "planetscale.audit.container.name": "orders-production",
		}},
		{"a role that changes is the user's before and after", "membership-changes-role", fields{
			"user.target.name": "grace@example.com", "user.target.roles": []any{"member"}, "user.changes.roles": []any{"admin"}, "user.roles": nil,
		}},
		{"from and to of anything else are no roles", "ordinary", fields{"user.target.roles": nil, "user.changes.roles": nil}},
		{"a technique of attackers, and its parent", "token-created", fields{
			"threat.framework": "MITRE ATT&CK", "threat.technique.id": []any{"T1098"}, "threat.technique.name": []any{"Account Manipulation"},
			"threat.technique.subtechnique.id": []any{"T1098.001"}, "threat.technique.subtechnique.name": []any{"Additional Cloud Credentials"},
		}},
		{"nor is there a technique in what is routine", "ordinary", fields{"threat.framework": nil}},
		{"an address that was located", "located", fields{
			"source.geo.city_name": "Linköping", "source.geo.region_iso_code": "SE-E", "source.geo.location.lat": json.Number("58.4167"),
			"source.as.number": json.Number("29518"), "source.as.organization.name": "Bredband2 AB",
		}},
		{"of an address that is hardly located, what is known", "located-roughly", fields{
			"source.geo.continent_code": "AS", "source.geo.location.lat": nil, "source.as.number": nil,
		}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			d := parse(t, full, cases[tt.event])
			for path, want := range tt.want {
				if diff := cmp.Diff(want, d[path]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}

// A note is never shortened, whatever else is.
func TestANoteIsWholeOrRefused(t *testing.T) {
	e := corpus.EvidenceCases()[len(corpus.EvidenceCases())-1].Event
	e.Note = strings.Repeat("0123456789abcdef\n", 1000)
	whole := len(encode(t, full, e).Body)
	for _, limit := range []int{whole, whole - 1, len(e.Note)} {
		o := full
		o.MaxBytes = limit
		r, err := open(t, o).Transform(nil, &e)
		if limit == whole && err == nil {
			if d, err := readFacts(t).judge(r.Body); err != nil || d["planetscale.audit.note"] != e.Note || d["event.original"] != nil || r.Truncated {
				t.Errorf("limit %d: the note is not whole, or the record says that it is shortened: %v, %s", limit, err, r.Body)
			}
		} else if !errors.Is(err, transform.ErrTooLarge) {
			t.Errorf("limit %d: got %v", limit, err)
		}
	}
}

func TestWithoutOrganization(t *testing.T) {
	e := corpus.Typical()
	e.Organization = ""
	var d struct {
		Organization *struct{}
		Cloud        map[string]any
	}
	if err := json.Unmarshal(encode(t, full, e).Body, &d); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"provider": "planetscale", "service": map[string]any{"name": "PlanetScale"}}
	if diff := cmp.Diff(want, d.Cloud); diff != "" || d.Organization != nil {
		t.Errorf("organization %v, cloud (-want +got):\n%s", d.Organization, diff)
	}
}

func TestWithoutOriginal(t *testing.T) {
	for _, c := range corpus.Cases() {
		d := parse(t, corpus.Options(transform.Options{Host: "h", Version: "v"}), c.Event)
		for _, path := range []string{"event.original", "planetscale.audit.original_base64", "planetscale.audit.truncated"} {
			if d[path] != nil {
				t.Errorf("%s: the record has %s", c.Name, path)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	e := corpus.Typical()
	whole := len(encode(t, full, e).Body)
	without := func(path ...string) []any {
		var all []any
		for _, p := range path {
			all = append(all, p)
		}
		return all
	}
	e.Location = strings.Repeat("\u0000€", 1500)
	e.ID = "sha256:" + strings.Repeat("0123456789abcdef", 4) // It is never shortened; parse checks that.
	long := len(encode(t, full, e).Body)
	for _, tt := range []struct {
		words string
		limit int
		want  any
	}{
		{"what fits is whole", long, nil},
		{"the original goes first", long - 1, without("event.original")},
		{"then metadata", long - len(e.Raw)*5/4, without("event.original", "planetscale.audit.metadata")},
		{"then long values are shortened", 6000, without("event.original", "planetscale.audit.metadata", "values")},
		{"and shortened more", whole - len(e.Raw), without("event.original", "planetscale.audit.metadata", "values")},
	} {
		t.Run(tt.words, func(t *testing.T) {
			o := full
			o.MaxBytes = tt.limit
			r := encode(t, o, e)
			if got := len(r.Body); got > tt.limit {
				t.Errorf("%d bytes, limit %d", got, tt.limit)
			}
			if want := tt.want != nil; r.Truncated != want {
				t.Errorf("the record says truncated: %t, want %t", r.Truncated, want)
			}
			if diff := cmp.Diff(tt.want, parse(t, o, e)["planetscale.audit.truncated"]); diff != "" {
				t.Errorf("truncated (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("what cannot fit is an error", func(t *testing.T) {
		o := full
		o.MaxBytes = 600
		_, err := open(t, o).Transform(nil, &e)
		if !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), e.ID) {
			t.Errorf("got error %v, want ErrTooLarge that names the event", err)
		}
	})
	t.Run("a negative limit is refused", func(t *testing.T) {
		if _, err := ecs.Format.New(transform.Options{MaxBytes: -1}); err == nil || !strings.Contains(err.Error(), "largest record: -1 bytes is negative") {
			t.Errorf("got %v, want an error that the limit is negative", err)
		}
	})
}

func TestAppendsToTheBufferItIsGiven(t *testing.T) { corpus.CheckAppends(t, ecs.Format, full) }

func TestAllocations(t *testing.T) { corpus.CheckAllocations(t, ecs.Format, full, 1) }

func FuzzECS(f *testing.F) {
	facts := readFacts(f)
	corpus.Fuzz(f, ecs.Format, []any{nil}, func(t *testing.T, o transform.Options, e source.Event, body []byte) {
		d, err := facts.judge(body)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		checkCopies(t, o, e, d)
	})
}

func BenchmarkTransform(b *testing.B) {
	for _, original := range []bool{true, false} {
		b.Run(fmt.Sprintf("original=%v", original), func(b *testing.B) {
			o := full
			o.Original = original
			tr := open(b, o)
			e := corpus.Typical()
			dst := make([]byte, 0, 8192)
			b.SetBytes(int64(len(e.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.Transform(dst, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
