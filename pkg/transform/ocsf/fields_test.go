package ocsf_test

import (
	"fmt"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

func cases() map[string]source.Event {
	byName := map[string]source.Event{}
	for _, c := range corpus.Cases() {
		byName[c.Name] = c.Event
	}
	return byName
}

// fields maps paths to values as text. An empty value means that the attribute must be
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
		{"a replayed event says so", "replayed", fields{"unmapped.sluice.replayed": "true", "unmapped.sluice.own_token": ""}},
		{"an event about Sluice's own token says so and is severe", "own-token", fields{
			"unmapped.sluice.own_token": "true", "unmapped.sluice.replayed": "", "unmapped.sluice.severity": "8", "severity": "High",
		}},
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
		{"a member that is removed is an entity, since nobody says which privileges that takes", "user-is-target", fields{
			"type_uid": "300403", "entity.uid": "u77", "entity.type": "User", "entity.user.uid": "u77", "entity.user.name": "Grace Hopper", "privileges": "",
		}},
		{"a membership is no user", "membership-named-by-role", fields{
			"type_uid": "300401", "entity.uid": "m12", "entity.type_id": "99", "entity.type": "OrganizationMembership", "privileges": "",
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
	t.Run("the actor who leaves a team is the user, unless the event names one", func(t *testing.T) {
		e := cases["member-of-team"]
		e.Action, e.Verb = "organization_team.left", "left"
		fields{"type_uid": "300604", "user.uid": "u77"}.check(t, parse(t, iam, e))
		e.Objects[1] = source.Party{}
		fields{"type_uid": "300604", "user.uid": "u1k9f3jd82ma", "actor.user.uid": "u1k9f3jd82ma"}.check(t, parse(t, iam, e))
		e.Action, e.Verb = "organization_team.removed_member", "removed_member"
		fields{"type_uid": "300604", "user": ""}.check(t, parse(t, iam, e))
	})
	t.Run("a demotion revokes the old role", func(t *testing.T) {
		e := cases["membership-changes-role"]
		e.Metadata = []byte(`{"from":"admin","to":"member"}`)
		fields{"type_uid": "300502", "activity_name": "Revoke Privileges", "privileges[0]": "admin"}.check(t, parse(t, iam, e))
	})
	t.Run("a role of unknown strength is neither assigned nor revoked", func(t *testing.T) {
		e := cases["membership-changes-role"]
		for _, metadata := range []string{`{"from":"admin","to":"billing"}`, `{"to":"admin"}`, `{"from":"admin","to":"admin"}`} {
			e.Metadata = []byte(metadata)
			fields{"type_uid": "300599", "activity_name": "updated_role"}.check(t, parse(t, iam, e))
		}
	})
	t.Run("without a role there are no privileges", func(t *testing.T) {
		e := cases["membership-changes-role"]
		e.Metadata = nil
		fields{"class_uid": "6003"}.check(t, parse(t, iam, e))
	})
	t.Run("an event without what the class requires is API Activity", func(t *testing.T) {
		e := cases["member-of-team"]
		e.Objects[0] = source.Party{Type: "OrganizationTeam"}
		fields{"class_uid": "6003", "unmapped.auditable_type": "OrganizationTeam"}.check(t, parse(t, iam, e))
	})
}

func TestObjectThatIsNamedTwiceIsOneResource(t *testing.T) {
	e := corpus.Typical()
	e.Objects[1] = e.Objects[0]
	fields{"resources[0].uid": "d8s0k2lq91xz", "resources[0].role": "Target", "resources[1]": ""}.check(t, parse(t, full, e))
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
