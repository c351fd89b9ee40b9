package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "::1": "::1", "::": "::", "2001:DB8::0": "2001:db8::", "::ffff:203.0.113.7": "203.0.113.7",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"fe80::1%eth0": "", "203.0.113.07": "", "203.0.113.7:80": "", "localhost": "", "": "", "1": "", " ::1": "", "::1\n": "",
	} {
		got := ""
		if ip := transform.Address(text); ip.IsValid() {
			got = ip.String()
		}
		if got != want {
			t.Errorf("Address(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestIsEmail(t *testing.T) {
	for text, want := range map[string]bool{
		"ada@example.com": true, "ada+db@sub.example.com": true, "a.b@example.co": true,
		"ada": false, "@example.com": false, "ada@": false, "ada@localhost": false, "a..b@example.com": false,
		".a@example.com": false, "Ada <ada@example.com>": false, "ada@example.com\n": false, "a@b@example.com": false, "ä@example.com": false,
	} {
		if got := transform.IsEmail(text); got != want {
			t.Errorf("IsEmail(%q): got %v, want %v", text, got, want)
		}
	}
}

func TestAffected(t *testing.T) {
	user, other := source.Party{ID: "u1", Type: "User", Name: "Ada"}, source.Party{ID: "u2", Type: "User", Name: "Grace"}
	member := source.Party{ID: "m1", Type: "OrganizationMembership", Name: "ada@example.com"}
	role := source.Party{ID: "m1", Type: "OrganizationMembership", Name: "admin"}
	invitation := source.Party{ID: "i1", Type: "OrganizationInvitation", Name: "grace@example.com"}
	team, database := source.Party{ID: "t1", Type: "Team", Name: "DB"}, source.Party{ID: "d1", Type: "Database", Name: "orders"}
	none := source.Party{}
	for _, tt := range []struct {
		words                       string
		auditable, target, who, grp source.Party
	}{
		{"nobody", database, none, none, none},
		{"a user who is the target", database, user, user, none},
		{"a user who is the auditable", user, database, user, none},
		{"of two users the target", user, other, other, none},
		{"a user rather than a membership", user, member, user, none},
		{"whom a membership names, without its own id", member, none, source.Party{Type: member.Type, Name: "ada@example.com"}, none},
		{"nobody by the role of a membership", role, none, none, none},
		{"the user whose membership is named by its role", role, user, user, none},
		{"who is invited", database, invitation, source.Party{Type: invitation.Type, Name: "grace@example.com"}, none},
		{"nobody by an invitation without an address", source.Party{ID: "i1", Type: "OrganizationInvitation", Name: "member"}, none, none, none},
		{"a user and the team", team, user, user, team},
	} {
		t.Run(tt.words, func(t *testing.T) {
			r := corpus.Catalogue().Resolve(&source.Event{Objects: [2]source.Party{tt.auditable, tt.target}}, &transform.Action{})
			if diff := cmp.Diff([]source.Party{tt.who, tt.grp}, []source.Party{r.User, r.Team}); diff != "" {
				t.Errorf("user and team (-want +got):\n%s", diff)
			}
		})
	}
}

func TestActorType(t *testing.T) {
	for _, tt := range []struct {
		words string
		event source.Event
		want  string
		acted bool
	}{
		{"a user", source.Event{Action: "a.b", Actor: source.Party{ID: "u", Type: "User"}}, "User", true},
		{"somebody of no type", source.Event{Action: "a.b", Actor: source.Party{ID: "u"}}, "", true},
		{"the system, whatever it is called", source.Event{Action: "a.b", Actor: source.Party{Name: "PlanetScale"}}, "System", false},
		{"not known in what could not be decoded", source.Event{Problem: "bad"}, "", false},
		{"not the system in a gap", source.Event{Action: "sluice.gap", Gap: true}, "", false},
	} {
		t.Run(tt.words, func(t *testing.T) {
			if got := transform.ActorType(&tt.event); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := transform.Acted(&tt.event); got != tt.acted {
				t.Errorf("acted: got %v, want %v", got, tt.acted)
			}
		})
	}
}
