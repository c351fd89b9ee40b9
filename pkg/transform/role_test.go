package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

// party returns a party of a type, or the zero value if the type is empty.
func party(kind string) source.Party {
	if kind == "" {
		return source.Party{}
	}
	return source.Party{ID: "id of " + kind, Type: kind, Name: kind}
}

func TestObjectAndContainer(t *testing.T) {
	for _, tt := range []struct{ words, action, one, other, object, container string }{
		{"a branch in its database", "database_branch.created", "Database", "DatabaseBranch", "DatabaseBranch", "Database"},
		{"a database in its organization", "database.deleted", "Organization", "Database", "Database", "Organization"},
		{"a deploy request, called as in the older vocabulary", "deploy_request.queued", "DatabaseDeployRequest", "Database", "DatabaseDeployRequest", "Database"},
		{"a password, by the last word of its type", "database_branch_password.created", "DatabaseBranch", "Password", "Password", "DatabaseBranch"},
		{"a deployment, although its request is as deep", "deployment.unqueued", "Deployment", "DeployRequest", "Deployment", "DeployRequest"},
		{"a member of a database", "database.removed_member", "Database", "User", "User", "Database"},
		{"a member of a team", "organization_team.added_member", "OrganizationTeam", "User", "User", "OrganizationTeam"},
		{"a database, not the branch in it", "database.updated_default_branch", "Database", "DatabaseBranch", "Database", ""},
		{"a token, not its owner", "access_token.created", "User", "AccessToken", "AccessToken", ""},
		{"a membership, not its user", "organization_membership.updated_role", "OrganizationMembership", "User", "OrganizationMembership", ""},
		{"a place alone is no member of it", "organization.joined", "Organization", "", "", "Organization"},
		{"something alone", "organization.disabled_sso", "Organization", "", "Organization", ""},
		{"of an unknown action, what lies deeper", "flux.capacitated", "DatabaseBranch", "Organization", "DatabaseBranch", "Organization"},
		{"of an unknown action about members, the user", "guild.added_member", "Guild", "User", "User", "Guild"},
		{"of an unknown type, in a known one", "database_branch.created", "Flux", "Database", "Flux", "Database"},
		{"nothing", "database.created", "", "", "", ""},
	} {
		t.Run(tt.words, func(t *testing.T) {
			one, other, object, container := party(tt.one), party(tt.other), party(tt.object), party(tt.container)
			// The result must be the same if auditable and target are exchanged.
			for _, e := range []source.Event{{Action: tt.action, Objects: [2]source.Party{one, other}}, {Action: tt.action, Objects: [2]source.Party{other, one}}} {
				r := corpus.Catalogue().Resolve(&e, corpus.Catalogue().Lookup(e.Action))
				if diff := cmp.Diff([]source.Party{object, container}, []source.Party{r.Object, r.Container}); diff != "" {
					t.Errorf("object and container (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestWhatHasNoTypeIsTheObject(t *testing.T) {
	e := source.Event{Action: "database.created", Objects: [2]source.Party{{Name: "orders"}}}
	if r := corpus.Catalogue().Resolve(&e, corpus.Catalogue().Lookup(e.Action)); r.Object != e.Objects[0] {
		t.Errorf("got object %v and container %v", r.Object, r.Container)
	}
}

func TestOfTwoUnknownTypesTheAuditableIsTheObject(t *testing.T) {
	e := source.Event{Action: "a.b", Objects: [2]source.Party{party("Flux"), party("Capacitor")}}
	r := corpus.Catalogue().Resolve(&e, corpus.Catalogue().Lookup(e.Action))
	if r.Object != e.Objects[0] || r.Container != e.Objects[1] {
		t.Errorf("got object %v and container %v", r.Object, r.Container)
	}
}

func TestActor(t *testing.T) {
	for _, tt := range []struct {
		words string
		event source.Event
		want  string // the type
	}{
		{"a user", source.Event{Action: "a.b", Actor: party("User")}, "User"},
		{"a token", source.Event{Action: "a.b", Actor: party("ServiceToken")}, "ServiceToken"},
		{"something else", source.Event{Action: "a.b", Actor: party("Robot")}, "Robot"},
		{"somebody who calls himself the system", source.Event{Action: "a.b", Actor: party("System")}, "System"},
		{"the system", source.Event{Action: "a.b", Actor: source.Party{Name: "PlanetScale"}}, "System"},
		{"nobody in a gap", source.Event{Action: "sluice.gap", Gap: true}, ""},
		{"nobody in what could not be decoded", source.Event{Problem: "bad"}, ""},
	} {
		t.Run(tt.words, func(t *testing.T) {
			r := corpus.Catalogue().Resolve(&tt.event, corpus.Catalogue().Lookup(tt.event.Action))
			if r.ActorType != tt.want {
				t.Errorf("got type %q, want %q", r.ActorType, tt.want)
			}
			if got, want := r.Actor.ID, tt.event.Actor.ID; got != want {
				t.Errorf("got actor %q, want %q", got, want)
			}
		})
	}
}

func TestWhatPeopleDoToThemselves(t *testing.T) {
	for _, tt := range []struct {
		words string
		event source.Event
		want  source.Party
	}{
		{"who joins is who joined", source.Event{Action: "organization.joined", Actor: party("User"), Objects: [2]source.Party{party("Organization")}}, party("User")},
		{"by the rule for the verb, too", source.Event{Action: "guild.left", Actor: party("User")}, party("User")},
		{"somebody else is named", source.Event{Action: "organization.joined", Actor: party("User"), Objects: [2]source.Party{1: {ID: "u2", Type: "User"}}},
			source.Party{ID: "u2", Type: "User"}},
		{"nobody, if PlanetScale did it", source.Event{Action: "organization.joined", Actor: source.Party{Name: "PlanetScale"}}, source.Party{}},
		{"adding is done to others", source.Event{Action: "organization.added_member", Actor: party("User")}, source.Party{}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			if got := corpus.Catalogue().Resolve(&tt.event, corpus.Catalogue().Lookup(tt.event.Action)).User; got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestChange(t *testing.T) {
	for _, tt := range []struct{ words, action, metadata, before, after string }{
		{"of a role", "organization_membership.updated_role", `{"from":"member","to":"admin"}`, "member", "admin"},
		{"in the older vocabulary", "organization.updated_role", ` { "x" : {"to":1}, "to" : "a\u0064min" , "from":"member"}`, "member", "admin"},
		{"of no role", "deploy_request.queued", `{"from":"a","to":"b"}`, "", ""},
		{"to what is no text", "organization_membership.updated_role", `{"from":["member"],"to":null}`, "", ""},
		{"told in no object", "organization_membership.updated_role", `["from","to"]`, "", ""},
		{"told by nothing", "organization_membership.updated_role", ``, "", ""},
		{"told by what breaks off", "organization_membership.updated_role", `{"from":"member","to":"`, "member", ""},
	} {
		t.Run(tt.words, func(t *testing.T) {
			e := source.Event{Action: tt.action, Metadata: []byte(tt.metadata)}
			r := corpus.Catalogue().Resolve(&e, corpus.Catalogue().Lookup(e.Action))
			if r.Before != tt.before || r.After != tt.after {
				t.Errorf("got %q to %q, want %q to %q", r.Before, r.After, tt.before, tt.after)
			}
		})
	}
}

func TestRise(t *testing.T) {
	for metadata, want := range map[string]int{
		`{"from":"member","to":"admin"}`: 1, `{"from":"admin","to":"member"}`: -1, `{"from":"admin","to":"admin"}`: 0,
		`{"from":"admin","to":"billing"}`: 0, `{"to":"admin"}`: 0, `{"from":"admin"}`: 0, `{}`: 0,
	} {
		e := source.Event{Action: "organization_membership.updated_role", Metadata: []byte(metadata)}
		if got := corpus.Catalogue().Resolve(&e, corpus.Catalogue().Lookup(e.Action)).Rise; got != want {
			t.Errorf("%s: got %d, want %d", metadata, got, want)
		}
	}
}

// BenchmarkRoles looks up an action and resolves the roles, as a format does for each
// event.
func BenchmarkRoles(b *testing.B) {
	catalogue := corpus.Catalogue()
	for _, c := range corpus.Cases() {
		switch c.Name {
		case "ordinary", "member-of-team", "membership-changes-role", "unknown-resource":
			b.Run(c.Name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					corpus.Catalogue().Resolve(&c.Event, catalogue.Lookup(c.Event.Action))
				}
			})
		}
	}
}

func TestRolesDoNotAllocate(t *testing.T) {
	catalogue := corpus.Catalogue()
	for _, c := range corpus.Cases() {
		if n := testing.AllocsPerRun(10, func() { corpus.Catalogue().Resolve(&c.Event, catalogue.Lookup(c.Event.Action)) }); n != 0 {
			t.Errorf("%s: %v allocations", c.Name, n)
		}
	}
}
