package config_test

import (
	"testing"

	"github.com/sluice-siem/sluice/pkg/transform"
)

func catalogue(t *testing.T, file string) *transform.Catalogue {
	t.Helper()
	c := parse(t, "catalogue: "+file+least, nil)
	if c.Sinks[0].Catalogue == nil {
		t.Fatal("got no catalogue")
	}
	return c.Sinks[0].Catalogue
}

func TestCatalogueIsLaidOverTheBuiltInOne(t *testing.T) {
	const file = "testdata/catalogue.yaml"
	c := catalogue(t, file)
	promoted := transform.Action{
		Title: "Database promoted", Alias: "base.moved", Categories: []string{"configuration", "database"}, Types: []string{"change"},
		API: transform.Class{UID: 6003, Name: "API Activity", Activity: 3, ActivityName: "Update"},
		IAM: transform.Class{UID: 3004, Name: "Entity Management", Activity: 3, ActivityName: "Update"}, Object: "Database",
		Changes: "roles", Self: true, Severity: 7, Reason: "ours is the one that counts",
		Technique: transform.Technique{ID: "T9999.001", Name: "Time Travel: Forward"},
		Mapped:    true, Rule: "entry database.promoted, changed by " + file,
	}
	want(t, promoted, *c.Lookup("database.promoted"))

	moved := promoted
	moved.Alias, moved.Rule = "database.promoted", "entry base.moved, alias of database.promoted, changed by "+file
	want(t, moved, *c.Lookup("base.moved"))

	sso := *transform.Builtin().Lookup("organization.disabled_sso")
	sso.Severity, sso.Reason, sso.Technique = 10, "nobody here may do that", transform.Technique{}
	sso.Rule += ", changed by " + file
	want(t, sso, *c.Lookup("organization.disabled_sso"))

	want(t, *transform.Builtin().Lookup("database.deleted"), *c.Lookup("database.deleted"))
	want(t, transform.Action{
		Categories: []string{"database"}, Types: []string{"access", "info"}, Object: "Flux",
		API:      transform.Class{UID: 6003, Name: "API Activity", Activity: 2, ActivityName: "Read"},
		Severity: 9, Reason: "it hurts", Rule: "no entry; resource flux, verb capacitated",
	}, *c.Lookup("flux_drive.capacitated_twice"))
}

func TestTheExampleOfACatalogueIsSound(t *testing.T) {
	a := catalogue(t, "../../configs/catalogue/catalogue.yaml").Lookup("branch.promoted")
	if !a.Mapped || a.Severity != 6 {
		t.Errorf("got %+v", *a)
	}
}

// TestTheBuiltInCatalogueIsSound reads it as a file of a user's, which is held to
// more than the built-in one is at start.
func TestTheBuiltInCatalogueIsSound(t *testing.T) {
	c := catalogue(t, "../transform/catalogue.json")
	for _, action := range transform.Builtin().Actions() {
		got, built := *c.Lookup(action), *transform.Builtin().Lookup(action)
		got.Rule = built.Rule
		want(t, built, got)
	}
}
