package transform_test

import (
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
	"github.com/sluice-siem/sluice/pkg/transform/internal/corpus"
)

func summary(e source.Event) string {
	a := corpus.Catalogue().Lookup(e.Action)
	r := corpus.Catalogue().Resolve(&e, a)
	return string(transform.AppendSummary(nil, &e, a, &r))
}

func TestSummary(t *testing.T) {
	ada := source.Party{ID: "u1", Type: "User", Name: "Ada"}
	grace := source.Party{ID: "u2", Type: "User", Name: "Grace"}
	membership := source.Party{ID: "m1", Type: "OrganizationMembership", Name: "admin"}
	main := source.Party{ID: "b1", Type: "DatabaseBranch", Name: "main"}
	for _, tt := range []struct {
		words string
		event source.Event
		want  string
	}{
		{"what happened, who did it and to what", source.Event{Action: "database_branch.deleted", Actor: ada, Objects: [2]source.Party{main}},
			"Branch deleted by Ada: main"},
		{"its own words, if it has any", source.Event{Action: "database_branch.deleted", Actor: ada, Text: "Ada deleted main."}, "Ada deleted main."},
		{"nobody, if the system acted", source.Event{Action: "database_branch.deleted", Actor: source.Party{Name: "PlanetScale"}, Objects: [2]source.Party{main}},
			"Branch deleted: main"},
		{"an actor without a name", source.Event{Action: "database_branch.deleted", Actor: source.Party{ID: "u1", Type: "User"}},
			"Branch deleted by u1"},
		{"nobody twice", source.Event{Action: "user.signed_in", Actor: ada, Objects: [2]source.Party{ada}}, "User signed in by Ada"},
		{"the person, not the role of the membership", source.Event{Action: "organization_membership.updated_role", Actor: ada, Objects: [2]source.Party{membership, grace}},
			"Role of a member changed by Ada: Grace"},
		{"an action without a title", source.Event{Action: "flux.capaci_tated", Actor: ada}, "Flux capaci tated by Ada"},
		{"an action without a letter", source.Event{Action: "..é"}, "Unnamed action"},
		{"a gap", source.Event{Action: "sluice.gap", Gap: true}, "Events are missing"},
		{"nothing of what could not be decoded", source.Event{Problem: "bad"}, ""},
	} {
		t.Run(tt.words, func(t *testing.T) {
			if got := summary(tt.event); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSummaryIsBounded(t *testing.T) {
	long := strings.Repeat("é", 1000)
	got := summary(source.Event{Action: strings.Repeat("x", 1000), Actor: source.Party{ID: "u", Type: "User", Name: long}, Objects: [2]source.Party{{Name: "a" + long}}})
	if len(got) > transform.MaxSummary || len(got) < transform.MaxSummary-2 {
		t.Errorf("got %d bytes, want at most %d, and at most two less", len(got), transform.MaxSummary)
	}
}
