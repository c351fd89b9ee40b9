package transform_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

func TestLookup(t *testing.T) {
	configuration, database, iam := []string{"configuration"}, []string{"configuration", "database"}, []string{"iam"}
	for _, tt := range []struct {
		words, action string
		want          transform.Action
	}{
		{"creating is 3", "database.created", transform.Action{Categories: database, Types: []string{"creation"}, Severity: 3, Mapped: true}},
		{"deleting is 6", "database_branch.deleted", transform.Action{Categories: database, Types: []string{"deletion"}, Severity: 6, Mapped: true}},
		{"deleting a database is 7", "database.deleted", transform.Action{Categories: database, Types: []string{"deletion"}, Severity: 7, Mapped: true}},
		{"asking to delete it is a change of the same severity", "database.requested_deletion",
			transform.Action{Categories: database, Types: []string{"change"}, Severity: 7, Mapped: true}},
		{"switching deletion protection off is 8, of whatever", "database_branch.disabled_deletion_protection",
			transform.Action{Categories: database, Types: []string{"change"}, Severity: 8}},
		{"switching it on is routine", "database.enabled_deletion_protection",
			transform.Action{Categories: database, Types: []string{"change"}, Severity: 3}},
		{"rotating a credential changes it", "database_branch_password.rotated",
			transform.Action{Categories: iam, Types: []string{"change", "admin"}, Severity: 6}},
		{"so does renewing it", "service_token.renewed", transform.Action{Categories: iam, Types: []string{"change", "admin"}, Severity: 6}},
		{"so does resetting it", "postgres_role.reset_password", transform.Action{Categories: iam, Types: []string{"change", "admin"}, Severity: 6}},
		{"a person without a second factor is 7", "user.disabled_mfa",
			transform.Action{Categories: iam, Types: []string{"change", "user"}, Severity: 7, Mapped: true}},
		{"signing out ends a session", "user.signed_out",
			transform.Action{Categories: []string{"authentication"}, Types: []string{"end"}, Severity: 1, Mapped: true}},
		{"a verb goes by its first word", "database_branch.updated_cluster_size",
			transform.Action{Categories: database, Types: []string{"change"}, Severity: 3, Mapped: true}},
		{"a token is 6 whatever is done", "service_token.created",
			transform.Action{Categories: iam, Types: []string{"creation", "admin"}, Severity: 6, Mapped: true}},
		{"a leaked credential is 8", "database_branch_password.password_leaked",
			transform.Action{Categories: iam, Types: []string{"info", "admin"}, Severity: 8, Mapped: true}},
		{"a role is 6", "organization_membership.updated_role",
			transform.Action{Categories: iam, Types: []string{"change", "user"}, Severity: 6, Mapped: true}},
		{"members of an organization are identity", "organization.added_member",
			transform.Action{Categories: iam, Types: []string{"change", "user"}, Severity: 3, Mapped: true}},
		{"members of a team change the group", "organization_team.removed_member",
			transform.Action{Categories: iam, Types: []string{"change", "group", "user"}, Severity: 6, Mapped: true}},
		{"members of a database are identity too", "database.removed_member",
			transform.Action{Categories: iam, Types: []string{"change", "user"}, Severity: 6, Mapped: true}},
		{"deleting the organization is 8", "organization.deleted",
			transform.Action{Categories: configuration, Types: []string{"deletion"}, Severity: 8, Mapped: true}},
		{"disabling single sign-on is 8", "organization.disabled_sso",
			transform.Action{Categories: configuration, Types: []string{"change"}, Severity: 8, Mapped: true}},
		{"signing in is authentication of severity 1", "user.signed_in",
			transform.Action{Categories: []string{"authentication"}, Types: []string{"start"}, Severity: 1, Mapped: true}},
		{"identity knows no access", "user.viewed",
			transform.Action{Categories: iam, Types: []string{"info", "user"}, Severity: 1}},
		{"an unknown verb of a known resource is info", "database.defragmented",
			transform.Action{Categories: database, Types: []string{"info"}, Severity: 3}},
		{"an unknown resource goes by its first words", "database_branch_tag.deleted",
			transform.Action{Categories: database, Types: []string{"deletion"}, Severity: 6}},
		{"by the longest of them", "database_branch_password_hint.created",
			transform.Action{Categories: iam, Types: []string{"creation", "admin"}, Severity: 6}},
		{"with the larger severity, of the verb", "service_token_scope.token_leaked",
			transform.Action{Categories: iam, Types: []string{"info", "admin"}, Severity: 8}},
		{"a known verb of an unknown resource keeps its type", "flux.deleted",
			transform.Action{Categories: configuration, Types: []string{"deletion"}, Severity: 6}},
		{"an unknown action is configuration and info", "flux.capacitated",
			transform.Action{Categories: configuration, Types: []string{"info"}, Severity: 3}},
		{"so is one without a dot", "deleted", transform.Action{Categories: configuration, Types: []string{"info"}, Severity: 3}},
		{"and none at all", "", transform.Action{Categories: configuration, Types: []string{"info"}, Severity: 3}},
		{"a gap is 8", "sluice.gap", transform.Action{Categories: configuration, Types: []string{"info"}, Severity: 8, Mapped: true}},
	} {
		t.Run(tt.words, func(t *testing.T) {
			a := corpus.Catalogue().Lookup(tt.action)
			got := transform.Action{Categories: a.Categories, Types: a.Types, Severity: a.Severity, Mapped: a.Mapped}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.action, diff)
			}
		})
	}
}

// What destroys data or its backups must be more severe than what creates a credential.
func TestLosingDataIsMoreSevereThanCreatingACredential(t *testing.T) {
	credential := corpus.Catalogue().Lookup("service_token.created").Severity
	for _, action := range []string{
		"database.deleted", "database.requested_deletion", "database_branch_keyspace.deleted", "database_branch_keyspace.requested_deletion",
		"backup_policy.deleted", "organization.deleted", "database.disabled_deletion_protection",
	} {
		if got := corpus.Catalogue().Lookup(action).Severity; got <= credential {
			t.Errorf("%s: severity %d, want more than %d", action, got, credential)
		}
	}
}

// TestTheCatalogueHasTheActionsOfTheSimulator compares the two lists of documented actions.
// Only the catalogue has the actions of events that Sluice makes itself.
func TestTheCatalogueHasTheActionsOfTheSimulator(t *testing.T) {
	got := corpus.Catalogue().Actions()
	slices.Sort(got)
	want := append(corpus.Actions(), "sluice.audit", "sluice.gap", "sluice.open", "sluice.seal", "sluice.statement")
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

func TestEntriesSayWhatEveryFormatNeeds(t *testing.T) {
	for _, action := range corpus.Catalogue().Actions() {
		a := corpus.Catalogue().Lookup(action)
		if !a.Mapped || a.Severity < 1 || a.Severity > 10 || a.Reason == "" || a.Title == "" || a.API.UID != 6003 || a.API.ActivityName == "" {
			t.Errorf("%s: %+v", action, *a)
		}
		if a.Object == "" && !strings.HasPrefix(action, "sluice.") {
			t.Errorf("%s has no object", action)
		}
	}
}

func TestAliasesPointAtOneAnother(t *testing.T) {
	seen := 0
	for _, action := range corpus.Catalogue().Actions() {
		a := corpus.Catalogue().Lookup(action)
		if a.Alias == "" {
			continue
		}
		seen++
		if other := corpus.Catalogue().Lookup(a.Alias); other.Alias != action || other.Severity != a.Severity {
			t.Errorf("%s is called %s, which is called %s", action, a.Alias, other.Alias)
		}
	}
	if seen != 18 { // Each of nine actions has two names.
		t.Errorf("got %d actions with an alias", seen)
	}
}

// TestWordsAreThoseOfTheSchemas compares the words that a catalogue may use with the
// published schemas.
func TestWordsAreThoseOfTheSchemas(t *testing.T) {
	var ecs struct {
		Types map[string][]string `json:"types_by_category"`
	}
	var ocsf struct {
		Classes map[string]struct {
			UID        int
			Attributes map[string]struct {
				Enum map[int]struct{ Caption string }
			}
		}
	}
	read(t, "ecs/testdata/facts.json", &ecs)
	read(t, "ocsf/testdata/facts.json", &ocsf)
	for category, types := range transform.TypesOf {
		slices.Sort(types)
		slices.Sort(ecs.Types[category])
		if diff := cmp.Diff(ecs.Types[category], types); diff != "" {
			t.Errorf("types of %s (-want +got):\n%s", category, diff)
		}
	}
	for word, class := range transform.Classes {
		name, _, _ := strings.Cut(word, ".")
		if name == "user_access_management" {
			name = "user_access"
		}
		want := ocsf.Classes[name]
		if class.UID != want.UID || want.Attributes["activity_id"].Enum[class.Activity].Caption != class.ActivityName {
			t.Errorf("%s: got %+v", word, class)
		}
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestOutcome(t *testing.T) {
	for action, want := range map[string]string{
		"database.created": "success", "user.signed_in": "success", "branch.open_web_console": "", "flux.capacitated": "",
	} {
		if got := corpus.Catalogue().Lookup(action).Outcome(); got != want {
			t.Errorf("%s: got %q, want %q", action, got, want)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	for _, action := range append(corpus.Actions(), "quantum_branch_of_something.deleted") {
		if n := testing.AllocsPerRun(10, func() { corpus.Catalogue().Lookup(action) }); n != 0 {
			t.Errorf("%s: %v allocations", action, n)
		}
	}
}

// TestOwnToken requires that an event about the token with which Sluice reads the log is
// severe, and that this lowers no severity.
func TestOwnToken(t *testing.T) {
	worst := 10
	catalogue := corpus.Catalogue().With(&transform.Entries{Actions: map[string]transform.Entry{
		"service_token.deleted": {Rule: transform.Rule{Severity: &worst, Reason: "a file says so"}},
	}}, "catalogue.yaml")
	for _, action := range catalogue.Actions() {
		known := catalogue.Lookup(action)
		before := known.Severity
		got := catalogue.Of(&source.Event{Action: action, OwnToken: true})
		if want := max(before, 8); got.Severity != want || known.Severity != before {
			t.Errorf("%s: severity %d, want %d; that of other events is %d, want %d", action, got.Severity, want, known.Severity, before)
		}
		if other := catalogue.Of(&source.Event{Action: action}); other != known {
			t.Errorf("%s: an event about anything else has another description", action)
		}
	}
}
