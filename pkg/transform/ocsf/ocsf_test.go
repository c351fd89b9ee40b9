package ocsf_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
	"github.com/sluice-siem/sluice/pkg/transform/internal/golden"
	"github.com/sluice-siem/sluice/pkg/transform/ocsf"
)

var (
	full = transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3"}
	iam  = transform.Options{Original: true, Host: "forwarder-1", Version: "1.2.3", Settings: &ocsf.Settings{Classes: "iam"}}
)

func open(tb testing.TB, o transform.Options) transform.Transformer {
	tb.Helper()
	tr, err := ocsf.Format.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

func encode(tb testing.TB, o transform.Options, e source.Event) sink.Record {
	tb.Helper()
	r, err := open(tb, o).Transform(nil, &e)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// parse encodes an event, judges the record and returns it.
func parse(tb testing.TB, o transform.Options, e source.Event) object {
	tb.Helper()
	r := encode(tb, o, e)
	got, err := readFacts(tb).judge(r.Body)
	if err != nil {
		tb.Fatalf("%v\n%s", err, r.Body)
	}
	checkCopies(tb, o, e, got)
	return got
}

// checkCopies holds what must equal the event's against it.
func checkCopies(tb testing.TB, o transform.Options, e source.Event, got object) {
	tb.Helper()
	want := map[string]string{
		"metadata.uid":        clean(e.ID),
		"metadata.tenant_uid": clean(e.Organization),
		"raw_data_hash.value": fmt.Sprintf("%x", sha256.Sum256(e.Raw)),
		"raw_data":            "",
	}
	whole := got.at("metadata.is_truncated") == nil
	if o.Original && whole {
		want["raw_data"] = clean(string(e.Raw))
		want["unmapped.sluice.original_base64"] = ""
		if !utf8.Valid(e.Raw) {
			want["unmapped.sluice.original_base64"] = base64.StdEncoding.EncodeToString(e.Raw)
		}
	}
	if whole {
		want["metadata.event_code"] = clean(e.Action)
		want["metadata.debug[0]"] = clean(e.Problem)
		want["unmapped.action"] = clean(e.Verb)
		want["unmapped.location"] = clean(e.Location)
		want["unmapped.metadata"] = clean(string(e.Metadata))
	}
	for path, value := range want {
		if got := got.text(path); got != value {
			tb.Errorf("%s: got %q, want %q", path, got, value)
		}
	}
	if got, want := fmt.Sprint(got["raw_data_size"]), fmt.Sprint(len(e.Raw)); got != want {
		tb.Errorf("raw_data_size: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(got["time"]), fmt.Sprint(transform.Time(&e).UnixMilli()); got != want {
		tb.Errorf("time: got %s, want %s", got, want)
	}
}

// clean is what is left of a text in JSON: each byte that is no UTF-8 becomes
// U+FFFD.
func clean(s string) string { return string([]rune(s)) }

func TestGolden(t *testing.T) {
	for _, c := range corpus.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			parse(t, full, c.Event)
			golden.Check(t, "golden/"+c.Name+".json", indented(t, full, c.Event))
		})
	}
}

func TestGoldenWithClassesOfIAM(t *testing.T) {
	for _, c := range corpus.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			got := indented(t, iam, c.Event)
			if class := number(parse(t, iam, c.Event), "category_uid"); class == "3" {
				golden.Check(t, "golden/iam/"+c.Name+".json", got)
			} else if diff := cmp.Diff(indented(t, full, c.Event), got); diff != "" {
				t.Errorf("API Activity is not the same in both (-api +iam):\n%s", diff)
			}
		})
	}
}

func indented(t *testing.T, o transform.Options, e source.Event) string {
	var b bytes.Buffer
	if err := json.Indent(&b, encode(t, o, e).Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

func number(o object, path string) string { return fmt.Sprint(o.at(path)) }

func TestEveryActionIsValidWithAnyObjects(t *testing.T) {
	objects := []source.Party{
		{}, {Type: "User", ID: "u1", Name: "ada@example.com"}, {Type: "OrganizationTeam", ID: "t1"}, {Type: "Organization", Name: "acme"},
		{Type: "OrganizationMembership", ID: "m1"}, {Type: "ServiceToken", ID: "s1", Name: "ci"}, {Type: "Flux"}, {ID: "x"},
	}
	facts := readFacts(t)
	for _, o := range []transform.Options{full, iam} {
		tr := open(t, o)
		for _, action := range append(corpus.Actions(), "", "unheard.of", "user.unheard", "organization_team.unheard") {
			for _, auditable := range objects {
				for _, target := range objects {
					e := corpus.Typical()
					_, e.Verb, _ = strings.Cut(action, ".")
					e.Action, e.Auditable, e.Target, e.Actor = action, auditable, target, auditable
					r, err := tr.Transform(nil, &e)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := facts.judge(r.Body); err != nil {
						t.Fatalf("%s: %v\n%s", action, err, r.Body)
					}
				}
			}
		}
	}
}

func TestRecord(t *testing.T) {
	e := corpus.Typical()
	e.Late = true
	got := encode(t, full, e)
	got.Body = nil
	want := sink.Record{
		ID: "q7x2mk9d0a4e", Organization: "acme", Action: "deploy_request.queued", Key: "acme/d8s0k2lq91xz",
		Format: "ocsf", MediaType: "application/json", Time: time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC),
		Severity: 3, Late: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func cases() map[string]source.Event {
	byName := map[string]source.Event{}
	for _, c := range corpus.Cases() {
		byName[c.Name] = c.Event
	}
	return byName
}

// fields are values by path, as text; an empty one is of an attribute that is
// absent.
type fields map[string]string

func (want fields) check(t *testing.T, got object) {
	t.Helper()
	for path, want := range want {
		text := ""
		if v := got.at(path); v != nil {
			text = fmt.Sprint(v)
		}
		if text != want {
			t.Errorf("%s: got %q, want %q", path, text, want)
		}
	}
}

func TestFields(t *testing.T) {
	cases := cases()
	for _, tt := range []struct {
		words, event string
		want         fields
	}{
		{"an event is API Activity", "ordinary", fields{
			"class_uid": "6003", "activity_id": "3", "activity_name": "Update", "type_uid": "600303", "category_uid": "6",
			"type_name": "API Activity: Update", "severity_id": "2", "severity": "Low", "status_id": "1",
			"time": "1773500966535", "metadata.logged_time": "1773500968535", "metadata.modified_time": "1773500966535",
			"metadata.profiles": "[cloud]", "attacks": "", "cloud.provider": "PlanetScale", "cloud.account.uid": "acme",
			"actor.user.uid": "u1k9f3jd82ma", "actor.user.email_addr": "ada.lovelace@example.com", "actor.user.type": "User",
			"src_endpoint.ip": "203.0.113.77", "api.operation": "deploy_request.queued", "raw_data_hash.algorithm": "SHA-256",
			"metadata.is_truncated": "", "unmapped.sluice.unmapped": "", "unmapped.sluice.late": "", "metadata.debug": "",
		}},
		{"what holds the object comes behind it", "ordinary", fields{
			"resources[0].type": "DeployRequest", "resources[0].uid": "d8s0k2lq91xz", "resources[0].role": "Target",
			"resources[1].type": "Database", "resources[1].name": "orders-production", "resources[1].role": "Related",
		}},
		{"a null actor is PlanetScale", "every-null", fields{
			"actor.user": "", "actor.app_name": "ada.lovelace@example.com", "src_endpoint.svc_name": "PlanetScale", "src_endpoint.ip": "",
		}},
		{"the system acts by its name", "system", fields{"actor.user": "", "actor.app_name": "PlanetScale"}},
		{"and by that of PlanetScale where it has none", "every-text-empty", fields{"actor.app_name": "PlanetScale", "resources": ""}},
		{"a service token is a service", "service-token", fields{
			"actor.user.name": "ci-deploy", "actor.user.type_id": "4", "actor.user.email_addr": "",
		}},
		{"text that is no address is a name", "address-with-zone", fields{"src_endpoint.ip": "", "src_endpoint.name": "fe80::1%eth0"}},
		{"an IPv4 address in an IPv6 one is an IPv4 address", "ipv4-in-ipv6", fields{"src_endpoint.ip": "203.0.113.9"}},
		{"an IPv6 address is in its own form", "ipv6", fields{"src_endpoint.ip": "2001:db8::7"}},
		{"metadata is a string whatever it is", "metadata-array", fields{"unmapped.metadata": "[]"}},
		{"an unknown action passes, marked", "unknown-action", fields{"class_uid": "6003", "unmapped.sluice.unmapped": "true"}},
		{"an activity that has no number has the verb's name", "signed-in", fields{
			"class_uid": "6003", "activity_id": "99", "activity_name": "signed_in", "type_name": "API Activity: Other",
		}},
		{"a read has no status", "read", fields{"activity_id": "2", "status_id": "", "status": ""}},
		{"a leak is high", "token-leaked", fields{"severity_id": "4", "severity": "High", "unmapped.sluice.severity": "8"}},
		{"what an attacker would do it for is told", "token-leaked", fields{
			"attacks[0].technique.uid": "T1552", "attacks[0].technique.name": "Unsecured Credentials", "attacks[0].sub_technique": "",
			"metadata.profiles": "[cloud security_control]",
		}},
		{"a sub-technique behind its technique", "token-created", fields{
			"attacks[0].technique.uid": "T1098", "attacks[0].technique.name": "Account Manipulation",
			"attacks[0].sub_technique.uid": "T1098.001", "attacks[0].sub_technique.name": "Additional Cloud Credentials",
		}},
		{"a time before 1970 gives way to the time of reading", "time-before-1970", fields{
			"time": "1773500968535", "metadata.modified_time": "",
		}},
		{"what could not be read is told", "time-unreadable", fields{
			"metadata.debug[0]": "created_at is not a time", "metadata.modified_time": "",
		}},
		{"of an event that cannot be decoded nothing is known", "undecodable-bytes", fields{
			"activity_id": "0", "activity_name": "Unknown", "api.operation": "Unknown", "actor.app_name": "Unknown",
			"src_endpoint.svc_name": "Unknown", "raw_data": "\ufffd\ufffd\x00=|\r\n", "unmapped.sluice.original_base64": "//4APXwNCg==",
		}},
		{"nor of one without bytes", "undecodable-nothing", fields{"raw_data": "", "raw_data_size": "0", "activity_id": "0"}},
		{"a gap is an event of Sluice's own", "gap", fields{
			"api.operation": "sluice.gap", "actor.app_name": "Sluice", "src_endpoint.svc_name": "Sluice", "unmapped.sluice.gap": "true",
			"severity_id": "4", "unmapped.sluice.unmapped": "",
		}},
		{"a late event says so", "late", fields{"unmapped.sluice.late": "true"}},
	} {
		t.Run(tt.words, func(t *testing.T) { tt.want.check(t, parse(t, full, cases[tt.event])) })
	}
}

func TestClassesOfIAM(t *testing.T) {
	cases := cases()
	for _, tt := range []struct {
		words, event string
		want         fields
	}{
		{"signing in is Authentication", "signed-in", fields{
			"class_uid": "3002", "type_uid": "300201", "activity_name": "Logon", "category_uid": "3",
			"user.uid": "u1k9f3jd82ma", "user.email_addr": "ada.lovelace@example.com", "service.name": "PlanetScale",
			"resources": "", "unmapped.resources[0].type": "User", "status_id": "1",
		}},
		{"a member of a team is Group Management", "member-of-team", fields{
			"type_uid": "300603", "group.name": "Storage", "group.uid": "t9", "user.name": "Grace Hopper",
		}},
		{"so is a team", "team-created", fields{"type_uid": "300606", "group.name": "Storage", "user": ""}},
		{"a member that leaves has an access less", "user-is-target", fields{
			"type_uid": "300502", "user.uid": "u77", "privileges[0]": "member", "resources[0].uid": "u77",
		}},
		{"a role is a privilege", "membership-changes-role", fields{
			"type_uid": "300501", "user.name": "grace@example.com", "privileges[0]": "admin",
		}},
		{"a token is an entity", "token-created", fields{
			"type_uid": "300401", "entity.name": "ci-deploy", "entity.type_id": "99", "entity.type": "ServiceToken",
		}},
		{"so is the organization", "single-sign-on-disabled", fields{
			"type_uid": "300403", "entity.name": "acme", "entity.type": "Organization",
		}},
		{"what is no identity is API Activity", "ordinary", fields{"class_uid": "6003"}},
	} {
		t.Run(tt.words, func(t *testing.T) { tt.want.check(t, parse(t, iam, cases[tt.event])) })
	}
	t.Run("an event without what the class requires is API Activity", func(t *testing.T) {
		e := cases["member-of-team"]
		e.Auditable = source.Party{Type: "OrganizationTeam"}
		fields{"class_uid": "6003", "unmapped.auditable_type": "OrganizationTeam"}.check(t, parse(t, iam, e))
	})
}

func TestActorWithoutIdentity(t *testing.T) {
	e := corpus.Typical()
	e.Actor = source.Party{Type: "Integration"}
	fields{"actor.user": "", "actor.app_name": "Integration"}.check(t, parse(t, full, e))
	e.Actor = source.Party{Type: "Integration", ID: "i1"}
	fields{"actor.user.type_id": "99", "actor.user.type": "Integration", "actor.user.name": ""}.check(t, parse(t, full, e))
}

func TestEmailsTheSchemaRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"a@b.c": "a@b.c", "a@b-1.c.d": "a@b-1.c.d", "a@b_c.d": "", "a@b": "", "a b@c.d": "",
	} {
		e := corpus.Typical()
		e.Actor.Name = name
		fields{"actor.user.name": name, "actor.user.email_addr": want}.check(t, parse(t, full, e))
	}
}

func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		words  string
		origin source.Origin
		want   fields
	}{
		{"all that is known", source.Origin{
			Continent: "EU", Country: "SE", CountryName: "Sweden", Region: "SE-E", City: "Linköping", Postal: "582 22",
			Latitude: 58.4167, Longitude: -15.6167, System: 4200000000, SystemHolder: "Bredband2 AB",
		}, fields{
			"src_endpoint.location.city": "Linköping", "src_endpoint.location.region": "SE-E", "src_endpoint.location.country": "SE",
			"src_endpoint.location.continent": "Europe", "src_endpoint.location.postal_code": "582 22",
			"src_endpoint.location.lat": "58.4167", "src_endpoint.location.long": "-15.6167",
			"src_endpoint.autonomous_system.number": "4200000000", "src_endpoint.autonomous_system.name": "Bredband2 AB",
		}},
		{"a continent alone is no location", source.Origin{Continent: "EU", Latitude: 1}, fields{
			"src_endpoint.location": "", "src_endpoint.autonomous_system": "",
		}},
		{"a country is one", source.Origin{Country: "SE"}, fields{
			"src_endpoint.location.country": "SE", "src_endpoint.location.lat": "", "src_endpoint.location.continent": "",
		}},
		{"a system without a holder", source.Origin{System: 1}, fields{
			"src_endpoint.autonomous_system.number": "1", "src_endpoint.autonomous_system.name": "",
		}},
		{"a holder without a system", source.Origin{SystemHolder: "x"}, fields{
			"src_endpoint.autonomous_system.number": "", "src_endpoint.autonomous_system.name": "x",
		}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			e := corpus.Typical()
			e.Origin = &tt.origin
			tt.want.check(t, parse(t, full, e))
		})
	}
}

func TestWithoutOrganization(t *testing.T) {
	e := corpus.Typical()
	e.Organization = ""
	fields{"cloud.provider": "PlanetScale", "cloud.account": "", "cloud.org": "", "metadata.tenant_uid": ""}.check(t, parse(t, full, e))
}

func TestWithoutHostAndVersion(t *testing.T) {
	got := parse(t, transform.Options{}, corpus.Typical())
	fields{
		"metadata.loggers[0].name": "Sluice", "metadata.loggers[0].uid": "", "metadata.loggers[0].product.version": "",
		"raw_data": "",
	}.check(t, got)
}

func TestWithoutOriginal(t *testing.T) {
	for _, c := range corpus.Cases() {
		got := parse(t, transform.Options{Host: "h", Version: "v"}, c.Event)
		fields{"raw_data": "", "unmapped.sluice.original_base64": "", "metadata.is_truncated": ""}.check(t, got)
	}
}

func TestLimit(t *testing.T) {
	e := corpus.Typical()
	whole := len(encode(t, full, e).Body)
	e.Location = strings.Repeat("\u0000€", 1500)
	e.ID = "sha256:" + strings.Repeat("0123456789abcdef", 4) // Never shortened; parse holds it against the record.
	long := len(encode(t, full, e).Body)
	for _, tt := range []struct {
		words string
		limit int
		want  string
	}{
		{"what fits is whole", long, ""},
		{"the original goes first", long - 1, "[raw_data]"},
		{"then metadata", long - len(e.Raw)*5/4, "[raw_data unmapped.metadata]"},
		{"then long values are shortened", 7000, "[raw_data unmapped.metadata values]"},
		{"and shortened more", whole - len(e.Raw), "[raw_data unmapped.metadata values]"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			o := full
			o.MaxBytes = tt.limit
			r := encode(t, o, e)
			if got := len(r.Body); got > tt.limit {
				t.Errorf("%d bytes, limit %d", got, tt.limit)
			}
			if want := tt.want != ""; r.Truncated != want {
				t.Errorf("the record says truncated: %t, want %t", r.Truncated, want)
			}
			want := fields{"unmapped.sluice.truncated": tt.want, "metadata.is_truncated": ""}
			if r.Truncated {
				want["metadata.is_truncated"] = "true"
			}
			want.check(t, parse(t, o, e))
		})
	}
	t.Run("what cannot fit is an error", func(t *testing.T) {
		o := full
		o.MaxBytes = 600
		_, err := open(t, o).Transform(nil, &e)
		if !errors.Is(err, transform.ErrTooLarge) || !strings.Contains(err.Error(), e.ID) {
			t.Errorf("got error %v, want one of size that names the event", err)
		}
	})
	t.Run("a negative limit is refused", func(t *testing.T) {
		if _, err := ocsf.Format.New(transform.Options{MaxBytes: -1}); err == nil {
			t.Error("no error")
		}
	})
}

func TestSettings(t *testing.T) {
	for classes, want := range map[string]string{
		"api": "", "iam": "", "": `classes: "" is not known; write api or iam`, "IAM": `classes: "IAM" is not known; write api or iam`,
	} {
		if got := errors.Join(ocsf.Settings{Classes: classes}.Validate()...); message(got) != want {
			t.Errorf("%q: got %v, want %q", classes, got, want)
		}
	}
	if got := *ocsf.Format.Settings().(*ocsf.Settings); got != (ocsf.Settings{Classes: "api"}) {
		t.Errorf("defaults: %+v", got)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAppendsToTheBufferItIsGiven(t *testing.T) {
	tr := open(t, full)
	e := corpus.Typical()
	want := encode(t, full, e).Body
	dst := make([]byte, 3, 8192)
	copy(dst, "abc")
	r, err := tr.Transform(dst, &e)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Body); got != "abc"+string(want) {
		t.Errorf("got %s", got)
	}
	if &r.Body[0] != &dst[0] {
		t.Error("the buffer was large enough, and another was made")
	}
}

func TestAllocations(t *testing.T) {
	for _, c := range corpus.Cases() {
		if c.Name == "time-unreadable" {
			continue // What time.Parse has to say of it allocates.
		}
		for _, o := range []transform.Options{full, iam} {
			tr := open(t, o)
			dst := make([]byte, 0, 64<<10)
			got := testing.AllocsPerRun(20, func() {
				if _, err := tr.Transform(dst, &c.Event); err != nil {
					t.Fatal(err)
				}
			})
			if got > 2 {
				t.Errorf("%s: %v allocations, want at most 2", c.Name, got)
			}
		}
	}
}

func FuzzOCSF(f *testing.F) {
	for _, c := range corpus.Cases() {
		e := c.Event
		for _, flags := range []byte{0, 8} {
			f.Add(e.ID, e.Action, e.Verb, e.Actor.ID, e.Actor.Type, e.Actor.Name, e.Auditable.ID, e.Auditable.Type, e.Auditable.Name,
				e.Target.ID, e.Target.Type, e.Target.Name, e.RemoteIP, e.Location, e.Updated, e.Problem, e.Metadata, e.Raw,
				e.Time.UnixNano(), uint16(0), flags)
		}
	}
	facts := readFacts(f)
	f.Fuzz(func(t *testing.T, id, action, verb, actorID, actorType, actorName, objectID, objectType, objectName,
		targetID, targetType, targetName, ip, location, updated, problem string, metadata, raw []byte,
		nanos int64, limit uint16, flags byte) {
		if id == "" {
			id = "id"
		}
		e := source.Event{
			ID: id, Time: time.Unix(0, nanos), Read: time.Unix(nanos, 0), Organization: corpus.Organization, Action: action, Verb: verb,
			Actor:     source.Party{ID: actorID, Type: actorType, Name: actorName},
			Auditable: source.Party{ID: objectID, Type: objectType, Name: objectName},
			Target:    source.Party{ID: targetID, Type: targetType, Name: targetName},
			RemoteIP:  ip, Location: location, Updated: updated, Problem: problem, Metadata: metadata, Raw: raw,
			Late: flags&1 != 0, Gap: flags&2 != 0,
		}
		if flags&16 != 0 {
			e.Origin = &source.Origin{Country: ip, City: location, SystemHolder: actorName, System: uint32(nanos), Latitude: float64(limit)}
		}
		o := transform.Options{Original: flags&4 == 0, MaxBytes: int(limit), Host: "h", Version: "v"}
		if flags&8 != 0 {
			o.Settings = iam.Settings
		}
		tr := open(t, o)
		r, err := tr.Transform(nil, &e)
		if err != nil {
			if limit == 0 && len(raw) < 1<<16 || !errors.Is(err, transform.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		if limit != 0 && len(r.Body) > int(limit) {
			t.Fatalf("%d bytes, limit %d", len(r.Body), limit)
		}
		got, err := facts.judge(r.Body)
		if err != nil {
			t.Fatalf("%v\n%s", err, r.Body)
		}
		checkCopies(t, o, e, got)
		again, err := tr.Transform(nil, &e)
		if err != nil || !bytes.Equal(again.Body, r.Body) {
			t.Fatalf("encoded again it differs: %v", err)
		}
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
