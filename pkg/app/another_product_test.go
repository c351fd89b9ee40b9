package app

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/deadletter"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/sink/file"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform/cef"
)

// The log of an invented product. Its events have their own keys, some of them nested,
// and one object beside its container.
var vault = []string{
	`{"ref":"e1","when":"2026-03-14T15:09:26.535Z","event":"safe.sealed","who":{"id":"u1","kind":"User","login":"Ada Lovelace"},` +
		`"safe":{"id":"s1","kind":"Safe","label":"Crown jewels"},"room":{"id":"r1","kind":"Room","label":"Cellar"},"from":"203.0.113.7","more":{"seal":"wax"}}`,
	`{"ref":"e2","when":"2026-03-14T15:10:26.535Z","event":"room.deleted","who":{"id":"u2","kind":"User","login":"Bob"},` +
		`"room":{"id":"r1","kind":"Room","label":"Cellar"}}`,
}

const vaultCatalogue = `{
	"actions": {"safe.sealed": {"title": "Safe sealed", "categories": ["configuration"], "types": ["change"], "object": "Safe", "api": "update", "severity": 7, "reason": "nobody opens it again"}},
	"resources": {"room": {"categories": ["iam"], "object": "Room"}},
	"depths": {"Room": 1, "Safe": 2}
}`

type vaultSettings struct {
	Company string `yaml:"company"`
}

func (s *vaultSettings) OrganizationName() string { return s.Company }

// vaultType is what the author of a source writes, except for the client.
func vaultType() source.Type {
	t := source.NewType("acme_vault", vaultSettings{}, func(_ context.Context, _ source.OpenEnv, s vaultSettings) (source.Source, error) {
		return vaultLog{s.Company}, nil
	})
	t.Product = source.Product{
		Vendor: "Acme", Name: "Acme Vault", Feature: "Audit Log", Version: "3", Dataset: "acme.vault",
		Objects: [2]string{"safe", "room"},
		Keys: source.Keys{
			ID: "ref", Time: "when", Action: "event", RemoteIP: "from", Metadata: "more",
			Actor:   source.Party{ID: "who.id", Type: "who.kind", Name: "who.login"},
			Objects: [2]source.Party{{ID: "safe.id", Type: "safe.kind", Name: "safe.label"}, {ID: "room.id", Type: "room.kind", Name: "room.label"}},
		},
	}
	t.Catalogue = []byte(vaultCatalogue)
	t.Parse = parseVault
	return t
}

func parseVault(data []byte, company string) ([]source.Event, error) {
	type party struct{ ID, Kind, Label, Login string }
	var e struct {
		Ref, Event, From string
		When             time.Time
		Who, Safe, Room  party
		More             json.RawMessage
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	as := func(p party) source.Party { return source.Party{ID: p.ID, Type: p.Kind, Name: p.Label + p.Login} }
	return []source.Event{{
		ID: e.Ref, Time: e.When, Organization: company, Action: e.Event, RemoteIP: e.From, Metadata: e.More, Raw: data,
		Actor: as(e.Who), Objects: [2]source.Party{as(e.Safe), as(e.Room)},
	}}, nil
}

// vaultLog returns the log once, and continues to count.
type vaultLog struct{ company string }

func (vaultLog) Start(context.Context, source.Start) (source.Position, error) {
	return source.Position("0"), nil
}
func (l vaultLog) Open(at source.Position, _ source.Env) (source.Reader, error) {
	return &vaultReader{l.company, string(at) == "1"}, nil
}
func (vaultLog) Describe(source.Position) (source.Description, error) {
	return source.Description{}, nil
}
func (vaultLog) Check(context.Context) (string, error) { return "the vault is open", nil }
func (vaultLog) Freshness() source.Freshness           { return source.Freshness{Age: time.Minute} }
func (vaultLog) Usage() source.Usage                   { return source.Usage{} }
func (vaultLog) Close() error                          { return nil }

type vaultReader struct {
	company string
	done    bool
}

func (r *vaultReader) Next(ctx context.Context) (source.Page, error) {
	page := source.Page{Next: source.Position("1"), CaughtUp: true}
	if r.done {
		<-ctx.Done()
		return page, ctx.Err()
	}
	r.done = true
	for _, raw := range vault {
		events, err := parseVault([]byte(raw), r.company)
		if err != nil {
			return page, err
		}
		page.Events = append(page.Events, events...)
	}
	return page, nil
}
func (r *vaultReader) Progress() source.Progress {
	return source.Progress{LastRead: time.Now(), CaughtUp: r.done}
}
func (r *vaultReader) Close() error { return nil }

const vaultConfig = `
sources:
  - {name: acme, type: acme_vault, settings: {company: Initech}}
sinks:
  - {name: ecs, type: file, format: ecs, settings: {path: ecs.out}}
  - {name: cef, type: file, format: cef, settings: {path: cef.out}}
  - {name: leef, type: file, format: leef, settings: {path: leef.out}}
  - {name: ocsf, type: file, format: ocsf, settings: {path: ocsf.out}}
  - name: safe
    type: file
    format: ecs
    where: safe.name contains "jewels" and severity == 7
    redact: {fields: [{field: actor.name, how: mask}, {field: safe.id, how: remove}, {field: metadata.seal, how: mask}]}
    settings: {path: safe.out}
state: {settings: {dir: state}}
admin: {listen: "127.0.0.1:0"}
`

// vaultSays is the first event in each format, with the names of its product.
var vaultSays = map[string][]string{
	"ecs": {
		`"data_stream":{"type":"logs","dataset":"acme.vault","namespace":"default"}`,
		`"cloud":{"provider":"acme","service":{"name":"Acme Vault"},"account":{"id":"Initech"`,
		`"category":["configuration"],"type":["change"],"action":"safe.sealed"`,
		`"module":"acme","provider":"acme","dataset":"acme.vault"`,
		`"acme":{"vault":{"id":"e1","actor":{"type":"User","id":"u1","name":"Ada Lovelace"},` +
			`"safe":{"type":"Safe","id":"s1","name":"Crown jewels"},"room":{"type":"Room","id":"r1","name":"Cellar"},` +
			`"object":{"type":"Safe","id":"s1","name":"Crown jewels"},"container":{"type":"Room","id":"r1","name":"Cellar"},`,
		`"severity":7`,
	},
	"cef": {
		"CEF:0|Acme|Acme Vault Audit Log|3|safe.sealed|Safe sealed|7|", "sourceServiceName=Acme Vault destinationServiceName=Acme Vault ",
		"cs2=Safe cs2Label=Safe Type cs3=Crown jewels cs3Label=Safe cs4=Room cs4Label=Room Type cs5=Cellar cs5Label=Room ",
		"flexString1=s1 flexString1Label=Safe ID flexString2=r1 flexString2Label=Room ID ",
	},
	"leef": {"LEEF:2.0|Acme|Acme Vault Audit Log|3|safe.sealed|", "resource=Crown jewels", "container=Cellar", "accountName=Initech"},
	"ocsf": {
		`"product":{"name":"Acme Vault","vendor_name":"Acme","feature":{"name":"Audit Log"}}`,
		`"api":{"operation":"safe.sealed","service":{"name":"Acme Vault"}},"cloud":{"provider":"Acme","account":{"uid":"Initech"`,
		`"resources":[{"uid":"s1","name":"Crown jewels","type":"Safe","role_id":1`, `"severity_id":4`,
	},
}

// vaultRun is a build that knows the invented product, in a directory with a
// configuration.
type vaultRun struct{ t *testing.T }

func newVaultRun(t *testing.T) vaultRun {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("sluice.yaml", []byte(vaultConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return vaultRun{t}
}

// sluice runs a command that must succeed, and returns what it printed.
func (r vaultRun) sluice(stdin string, args ...string) string {
	r.t.Helper()
	var out, errs bytes.Buffer
	if code := execute(r.t.Context(), args, strings.NewReader(stdin), &out, &errs, WithSource(vaultType())); code != 0 {
		r.t.Fatalf("sluice %s: exit code %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

func (r vaultRun) lines(path string) []string {
	r.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func wantVault(t *testing.T, format, record string) {
	t.Helper()
	for _, part := range vaultSays[format] {
		if !strings.Contains(record, part) {
			t.Errorf("%s does not contain %s:\n%s", format, part, record)
		}
	}
	if strings.Contains(strings.ToLower(record), "planetscale") || strings.Contains(record, "uditable") {
		t.Errorf("%s names another product:\n%s", format, record)
	}
}

// A source of another product's log is one type and one option. Every command works for
// it, with its names.
func TestASourceOfAnotherProduct(t *testing.T) {
	r := newVaultRun(t)
	r.sluice("", "run", "-c", "sluice.yaml", "--once")
	for format := range vaultSays {
		lines := r.lines(format + ".out")
		if len(lines) != 2 {
			t.Errorf("%s: got %d records, want 2", format, len(lines))
		}
		wantVault(t, format, lines[0])
		mapped := r.sluice(vault[0], "map", "--source-type", "acme_vault", "--format", format, "--organization", "Initech")
		wantVault(t, format, mapped)
		byConfig := r.sluice(vault[0], "map", "-c", "sluice.yaml", "--sink", format, "--organization", "Initech")
		if byConfig != mapped {
			t.Errorf("%s: with a configuration, map makes another record:\n%s\n%s", format, byConfig, mapped)
		}
	}
	safe := r.lines("safe.out")
	if len(safe) != 1 {
		t.Fatalf("got %d records, want the one that the condition lets pass", len(safe))
	}
	for _, text := range []string{"Ada", "s1", "wax"} {
		if strings.Contains(safe[0], text) {
			t.Errorf("%s was redacted, but is in %s", text, safe[0])
		}
	}
	if original := `{\"ref\":\"e1\",\"when\":\"2026-03-14T15:09:26.535Z\",\"event\":\"safe.sealed\",\"who\":{\"id\":\"u1\",\"kind\":\"User\",\"login\":\"[masked]\"},` +
		`\"safe\":{\"id\":null,\"kind\":\"Safe\",\"label\":\"Crown jewels\"}`; !strings.Contains(safe[0], original) {
		t.Errorf("the original is not %s: %s", original, safe[0])
	}
}

func TestCommandsForAnotherProduct(t *testing.T) {
	r := newVaultRun(t)
	t.Run("check", func(t *testing.T) {
		got := r.sluice("", "check", "-c", "sluice.yaml", "--send-test")
		if !strings.Contains(got, "source acme: the vault is open") {
			t.Errorf("got %s", got)
		}
		if test := r.lines("ecs.out")[0]; !strings.Contains(test, `"action":"sluice.test"`) || !strings.Contains(test, `"organization":{"name":"Initech"}`) {
			t.Errorf("the test event is %s", test)
		}
		for kind, want := range map[string]string{
			"acme_vault":  `^{"ref":"test:\d+","event":"sluice.test","lane":"acme/ecs","when":"[^"]+Z","text":"A test of Sluice, not an audit event."}$`,
			"planetscale": `^{"id":"test:\d+","audit_action":"sluice.test","action":"test","lane":"acme/ecs","created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.\d{3}Z","text":"A test of Sluice, not an audit event."}$`,
		} {
			l := config.Lane{Name: "acme/ecs", Source: config.Source{Type: vaultType()}}
			if kind == "planetscale" {
				l.Source.Type = planetscale.Type()
			}
			if e, err := testEvent(l); err != nil || !regexp.MustCompile(want).Match(e.Raw) {
				t.Errorf("the test event of %s is %s, %v", kind, e.Raw, err)
			}
		}
	})
	t.Run("help", func(t *testing.T) {
		if got := r.sluice("", "--help"); !strings.HasPrefix(got, "Follow audit logs (PlanetScale, Acme Vault) and deliver every event to the SIEM\n") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("explain", func(t *testing.T) {
		got := r.sluice(vault[0], "map", "-c", "sluice.yaml", "--sink", "ecs", "--explain")
		for _, rule := range []string{
			"severity   7: nobody opens it again", "catalogue  entry safe.sealed",
			`user.name +"Ada Lovelace" +who.login, unless Acme Vault itself acted`, `acme.vault.safe.name +"Crown jewels" +safe.label`,
			`acme.vault.container.name +"Cellar" +safe or room: the one that contains the object`, `event.action +"safe.sealed" +event$`,
		} {
			if !regexp.MustCompile("(?m)" + rule).MatchString(got) {
				t.Errorf("no %s in\n%s", rule, got)
			}
		}
	})
	t.Run("tail", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		out := &until{text: "room.deleted", stop: stop}
		var errs bytes.Buffer
		if code := execute(ctx, []string{"tail", "-c", "sluice.yaml", "--format", "cef"}, strings.NewReader(""), out, &errs, WithSource(vaultType())); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		wantVault(t, "cef", strings.SplitAfter(out.String(), "\n")[0])
	})
	t.Run("redrive", func(t *testing.T) {
		store, err := deadletter.Open(filepath.Join("state", "dead-letters"), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		letter := sink.Reject{Record: sink.Record{ID: "e1", Organization: "Initech", Action: "safe.sealed", Format: "leef"}, Raw: []byte(vault[0]), Reason: "too large", Time: time.Now()}
		if err := store.Put(t.Context(), "acme/leef", []sink.Reject{letter}); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if got := r.sluice("", "deadletter", "redrive", "-c", "sluice.yaml", "acme/leef"); got != "acme/leef: 1 published, 0 refused again\n" {
			t.Errorf("got %s", got)
		}
		lines := r.lines("leef.out")
		wantVault(t, "leef", lines[len(lines)-1])
	})
}

// until is an output that stops once it has seen a text.
type until struct {
	bytes.Buffer
	text string
	stop func()
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.Buffer.Write(p)
	if strings.Contains(u.String(), u.text) {
		u.stop()
	}
	return n, err
}

func TestMapWantsATypeThatThereIs(t *testing.T) {
	r := newVaultRun(t)
	for args, want := range map[string]string{
		"map":                    `several types of source; name one with --source-type: planetscale, acme_vault`,
		"map --source-type acme": `unknown type of source "acme"; known: ["planetscale" "acme_vault"]`,
		"map -c sluice.yaml --source-type planetscale": `unknown type of source "planetscale"; known: ["acme_vault"]`,
	} {
		var errs bytes.Buffer
		code := execute(t.Context(), strings.Fields(args), strings.NewReader(""), &bytes.Buffer{}, &errs, WithSource(vaultType()))
		if code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d: %s, want 2: %s", args, code, errs.String(), want)
		}
	}
	if got := r.sluice(vault[0], "map", "-c", "sluice.yaml", "--format", "cef"); !strings.HasPrefix(got, "CEF:0|Acme|Acme Vault Audit Log|3|") {
		t.Errorf("all sources of the configuration have one type, which is meant; got %s", got)
	}
}

func TestATypeThatCannotWorkIsRefused(t *testing.T) {
	kind := vaultType()
	kind.Parse, kind.Product.Keys.ID = nil, ""
	var errs bytes.Buffer
	code := execute(t.Context(), []string{"version"}, strings.NewReader(""), &bytes.Buffer{}, &errs, WithSource(kind))
	for _, want := range []string{`the type of source "acme_vault" cannot work: the field Parse is missing`, "Product.Keys.ID is empty", "hint: correct what main passes to app.Main"} {
		if code != 1 || !strings.Contains(errs.String(), want) {
			t.Errorf("exit code %d: %s; want 1: %s", code, &errs, want)
		}
	}
}

func TestTwoTypesOfOneName(t *testing.T) {
	for want, option := range map[string]Option{
		`two types of source named "planetscale"`: WithSource(planetscale.Type()),
		`two types of sink named "file"`:          WithSink(file.Type),
		`two formats named "cef"`:                 WithFormat(cef.Format),
	} {
		var errs bytes.Buffer
		if code := execute(t.Context(), []string{"version"}, strings.NewReader(""), &bytes.Buffer{}, &errs, option); code != 1 || !strings.Contains(errs.String(), want) {
			t.Errorf("exit code %d: %s; want 1: %s", code, errs.String(), want)
		}
	}
}
