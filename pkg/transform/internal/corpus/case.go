package corpus

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/source"
)

func shapes() []Case {
	late := with("late")
	late.Event.Late = true
	replayed := with("replayed")
	replayed.Event.Replayed = true
	own := with("own-token", "audit_action", `"service_token.deleted"`, "action", `"deleted"`, "auditable_type", `"ServiceToken"`,
		"auditable_display_name", `"siem"`)
	own.Event.OwnToken = true
	return []Case{
		{"ordinary", Typical()},
		with("every-null", "actor_id", "null", "actor_type", "null", "auditable_id", "null", "auditable_type", "null",
			"target_id", "null", "target_type", "null", "location", "null", "target_display_name", "null",
			"remote_ip", "null", "metadata", "null"),
		with("every-text-empty", "actor_id", `""`, "actor_type", `""`, "auditable_id", `""`, "auditable_type", `""`,
			"target_id", `""`, "target_type", `""`, "location", `""`, "target_display_name", `""`, "actor_display_name", `""`,
			"auditable_display_name", `""`, "remote_ip", `""`, "metadata", "{}"),
		with("no-auditable", "auditable_id", "null", "auditable_type", "null", "auditable_display_name", `""`),
		with("unknown-verb", "audit_action", `"database.defragmented"`, "action", `"defragmented"`),
		with("unknown-resource", "audit_action", `"quantum_branch.deleted"`, "action", `"deleted"`),
		with("unknown-action", "audit_action", `"shard balancer|rébalanced=1"`, "action", `"rébalanced"`),
		with("unknown-types", "auditable_type", `"Flux"`, "target_type", `"Capacitor"`),
		with("read", "audit_action", `"branch.open_web_console"`, "action", `"open_web_console"`),
		with("single-sign-on-disabled", "audit_action", `"organization.disabled_sso"`, "action", `"disabled_sso"`,
			"auditable_type", `"Organization"`, "auditable_display_name", `"acme"`, "target_type", "null", "target_id", "null"),
		late,
		replayed,
		own,
	}
}

func people() []Case {
	return []Case{
		with("service-token", "actor_type", `"ServiceToken"`, "actor_display_name", `"ci-deploy"`),
		with("system", "actor_id", "null", "actor_type", "null", "actor_display_name", `"PlanetScale"`),
		with("signed-in", "audit_action", `"user.signed_in"`, "action", `"signed_in"`, "auditable_type", `"User"`,
			"auditable_id", `"u1k9f3jd82ma"`, "auditable_display_name", `"ada.lovelace@example.com"`,
			"target_id", "null", "target_type", "null", "target_display_name", "null"),
		with("user-is-target", "audit_action", `"organization.removed_member"`, "action", `"removed_member"`,
			"auditable_type", `"Organization"`, "target_type", `"User"`, "target_id", `"u77"`, "target_display_name", `"Grace Hopper"`),
		with("membership-changes-role", "audit_action", `"organization_membership.updated_role"`, "action", `"updated_role"`,
			"auditable_type", `"OrganizationMembership"`, "auditable_id", `"m12"`, "auditable_display_name", `"grace@example.com"`,
			"metadata", `{"from":"member","to":"admin"}`),
		with("membership-named-by-role", "audit_action", `"organization_membership.created"`, "action", `"created"`,
			"auditable_type", `"Organization"`, "auditable_id", `"o1"`, "auditable_display_name", `"acme"`,
			"target_type", `"OrganizationMembership"`, "target_id", `"m12"`, "target_display_name", `"admin"`, "metadata", "null"),
		with("invited", "audit_action", `"organization_invitation.created"`, "action", `"created"`,
			"auditable_type", `"Organization"`, "auditable_id", `"o1"`, "auditable_display_name", `"acme"`,
			"target_type", `"OrganizationInvitation"`, "target_id", `"i3"`, "target_display_name", `"grace@example.com"`, "metadata", "null"),
		with("member-of-team", "audit_action", `"organization_team.added_member"`, "action", `"added_member"`,
			"auditable_type", `"Team"`, "auditable_id", `"t9"`, "auditable_display_name", `"Storage"`,
			"target_type", `"User"`, "target_id", `"u77"`, "target_display_name", `"Grace Hopper"`),
		with("team-created", "audit_action", `"organization_team.created"`, "action", `"created"`,
			"auditable_type", `"Team"`, "auditable_id", `"t9"`, "auditable_display_name", `"Storage"`,
			"target_id", "null", "target_type", "null", "target_display_name", "null"),
		with("token-created", "audit_action", `"service_token.created"`, "action", `"created"`,
			"auditable_type", `"ServiceToken"`, "auditable_display_name", `"ci-deploy"`),
		with("token-leaked", "audit_action", `"service_token.token_leaked"`, "action", `"token_leaked"`,
			"actor_id", "null", "actor_type", "null", "auditable_type", `"ServiceToken"`),
	}
}

func addresses() []Case {
	return []Case{
		with("ipv6", "remote_ip", `"2001:DB8:0:0::7"`),
		with("ipv4-in-ipv6", "remote_ip", `"::ffff:203.0.113.9"`),
		with("address-with-zone", "remote_ip", `"fe80::1%eth0"`),
		with("address-with-port", "remote_ip", `"203.0.113.9:443"`),
		with("no-address", "remote_ip", `"localhost src=10.0.0.1"`),
		located("located", source.Origin{
			Continent: "EU", Country: "SE", CountryName: "Sweden", Region: "SE-E", RegionName: "Östergötland County", City: "Linköping",
			Postal: "582 22", Timezone: "Europe/Stockholm", Latitude: 58.4167, Longitude: 15.6167, System: 29518, SystemHolder: "Bredband2 AB",
		}),
		located("located-roughly", source.Origin{Continent: "AS"}),
		located("network-known", source.Origin{System: 4294967295, SystemHolder: "AS | \"x\"=\n\u202e"}),
	}
}

// located returns the ordinary event after enrichment.
func located(name string, origin source.Origin) Case {
	e := Typical()
	e.Origin = &origin
	return Case{name, e}
}

func metadata() []Case {
	deep := strings.Repeat(`{"a":[`, 60) + strings.Repeat(`]}`, 60)
	return []Case{
		with("metadata-array", "metadata", `[]`),
		with("metadata-string", "metadata", `"a = \"b\" \\ c\nd"`),
		with("metadata-number", "metadata", `90071992547409931234`),
		with("metadata-false", "metadata", `false`),
		with("metadata-numbers", "metadata", `{"big":9007199254740993,"exp":1.5E+300,"neg":-0.0}`),
		with("metadata-deep", "metadata", deep),
		with("metadata-long", "metadata", `{"sql":"`+strings.Repeat("sélect 1 = 1; ", 320)+`"}`),
		with("metadata-spaced", "metadata", "{ \"a\" : \n\t[ 1 , 2 ]\r\n}"),
	}
}

func times() []Case {
	ancient := with("time-before-1970", "created_at", `"0001-01-01T00:00:00Z"`, "updated_at", `"1969-12-31T23:59:59.999Z"`)
	distant := with("time-after-9999")
	distant.Event.Time = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	return []Case{
		with("time-with-zone", "created_at", `"2026-03-14T23:09:26.535987+08:00"`, "updated_at", `"2026-03-15T01:00:00+02:00"`),
		with("time-unreadable", "created_at", `"yesterday"`, "updated_at", `"2026-13-45T99:99:99.000Z"`),
		ancient,
		distant,
	}
}

func hostile() []Case {
	text := func(name, value string) Case {
		return with(name, "actor_display_name", value, "auditable_display_name", value, "target_display_name", value,
			"location", value, "metadata", `{"note":`+value+`}`)
	}
	invalid := text("invalid-utf8", `"Ren?e"`)
	invalidate(&invalid.Event)
	return []Case{
		text("forged-cef", `"x msg=hello suser=evil|cs1=a\\=b\\"`),
		text("forged-json", `"x\",\"event\":{\"kind\":\"alert\"},\"y\":\"\\\""`),
		text("line-ends", `"one\ntwo\r\nthree\u0085four\u2028five\u2029six\u000bseven\fend\n"`),
		text("controls", `"\u0000nul\u0001\u0007bell\bback\t tab \u001b[2J\u007f\u009bm"`),
		text("bidi", `"evil\u202egnp.exe\u202c \u2066x\u2069 \u200e\u200f\u061c\ufeff"`),
		text("spaces", `"  \t padded \u2028 "`),
		text("only-blanks", `" \t\u2028 "`),
		text("lone-surrogate", `"a\ud800b\udfffc"`),
		text("astral", `"📦 ＝｜ 𝒹𝒷 Ωmega"`),
		text("markup", `"</script><img src=x onerror=alert(1)>&amp;"`),
		with("huge-name", "actor_display_name", `"`+strings.Repeat("ÿ=|", 600)+`"`),
		with("huge-everything", "id", `"`+strings.Repeat("i", 90)+`"`, "actor_id", `"`+strings.Repeat("u", 1100)+`"`,
			"actor_type", `"`+strings.Repeat("T", 1100)+`"`, "auditable_id", `"`+strings.Repeat("a", 1100)+`"`,
			"audit_action", `"`+strings.Repeat("act.", 300)+`"`, "auditable_display_name", `"`+strings.Repeat("€", 1100)+`"`),
		invalid,
	}
}

// invalidate makes the texts of the event invalid UTF-8, which no JSON document may hold.
func invalidate(e *source.Event) {
	for _, s := range []*string{&e.Actor.Name, &e.Objects[0].Name, &e.Objects[1].Name, &e.Location} {
		*s = strings.ReplaceAll(*s, "?", "\xe9")
	}
	e.Metadata = []byte(strings.ReplaceAll(string(e.Metadata), "?", "\xe9"))
	e.Raw = []byte(strings.ReplaceAll(string(e.Raw), "?", "\xe9"))
}

func broken() []Case {
	return []Case{
		undecoded("undecodable-text", `{"id":"q7x2mk9d0a4e","audit_action":"database.deleted",`+"\n\"raw\x00\x1b[31m"),
		undecoded("undecodable-bytes", "\xff\xfe\x00=|\r\n"),
		undecoded("undecodable-number", `42`),
		undecoded("undecodable-nothing", ``),
		gap(),
	}
}

func undecoded(name, raw string) Case {
	return Case{name, source.Event{
		ID: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(raw))), Time: neighbour, Read: neighbour.Add(2 * time.Second),
		Organization: Organization, Raw: []byte(raw), Problem: "event is not a JSON object: invalid character '\\n' = bad",
	}}
}

func gap() Case {
	raw := `{"gap":{"lane":"acme/siem","from":"2026-02-01T00:00:00Z","to":"2026-02-03T12:00:00Z"}}`
	return Case{"gap", source.Event{
		ID: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(raw))), Time: neighbour, Read: neighbour, Organization: Organization,
		Action: "sluice.gap", Verb: "gap", Gap: true, Raw: []byte(raw),
	}}
}
