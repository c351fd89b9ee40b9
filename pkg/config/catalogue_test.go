package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/transform"
)

func catalogue(t *testing.T, file string) *transform.Catalogue {
	t.Helper()
	c := parse(t, "catalogue: "+file+least, nil)
	if c.Sources[0].Catalogue == nil {
		t.Fatal("got no catalogue")
	}
	return c.Sources[0].Catalogue
}

// builtin is the catalogue of the type of source.
func builtin(t *testing.T) *transform.Catalogue {
	t.Helper()
	return parse(t, least, nil).Sources[0].Catalogue
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

	sso := *builtin(t).Lookup("organization.disabled_sso")
	sso.Severity, sso.Reason, sso.Technique = 10, "nobody here may do that", transform.Technique{}
	sso.Rule += ", changed by " + file
	want(t, sso, *c.Lookup("organization.disabled_sso"))

	deleted := *builtin(t).Lookup("branch.deleted")
	deleted.Technique = transform.Technique{}
	deleted.Rule += ", changed by " + file
	want(t, deleted, *c.Lookup("branch.deleted"))

	created := *builtin(t).Lookup("service_token.created")
	created.IAM = transform.Class{}
	created.Rule += ", changed by " + file
	want(t, created, *c.Lookup("service_token.created"))

	want(t, *builtin(t).Lookup("database.deleted"), *c.Lookup("database.deleted"))
	scope := *builtin(t).Lookup("service_token_scope.deleted")
	scope.Object, scope.API = "Token", transform.Class{UID: 6003, Name: "API Activity", Activity: 99, ActivityName: "Other"}
	want(t, scope, *c.Lookup("service_token_scope.deleted"))
	want(t, []string{"configuration"}, c.Lookup("fluid.deleted").Categories)
	want(t, transform.Action{
		Categories: []string{"database"}, Types: []string{"access", "info"}, Object: "Flux",
		API:      transform.Class{UID: 6003, Name: "API Activity", Activity: 2, ActivityName: "Read"},
		Severity: 9, Reason: "it hurts", Rule: "no entry; resource flux, verb capacitated",
	}, *c.Lookup("flux_drive.capacitated_twice"))
}

func TestAliasesOfAliases(t *testing.T) {
	for range 20 { // Maps have an order of their own each time.
		c := catalogue(t, "testdata/catalogue-aliases.yaml")
		for action, want := range map[string]struct {
			alias    string
			severity int
		}{
			"b.branched": {"branch.deleted", 6}, "a.branched": {"b.branched", 6}, "database_branch.deleted": {"branch.deleted", 6},
			"c.first": {"c.second", 2}, "c.second": {"c.first", 4}, "c.self": {"c.self", 3},
		} {
			if got := c.Lookup(action); got.Alias != want.alias || got.Severity != want.severity {
				t.Fatalf("%s: got alias %q and severity %d, want %v", action, got.Alias, got.Severity, want)
			}
		}
	}
}

// FuzzCatalogue lays files over the built-in catalogue. Whatever is no problem
// makes a catalogue that answers for every action.
func FuzzCatalogue(f *testing.F) {
	paths, err := filepath.Glob("testdata/catalogue*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "database.deleted")
	}
	f.Fuzz(func(t *testing.T, data []byte, action string) {
		path := filepath.Join(t.TempDir(), "catalogue.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse("f", []byte("catalogue: "+path+least), kinds, badEnv)
		if err != nil {
			return
		}
		a := c.Sources[0].Catalogue.Lookup(action)
		if len(a.Types) == 0 || len(a.Categories) == 0 || a.Severity < 0 || a.Severity > 10 || a.Reason == "" || a.API.UID == 0 {
			t.Errorf("%q: got %+v", action, *a)
		}
	})
}

func TestTheExampleOfACatalogueIsSound(t *testing.T) {
	a := catalogue(t, "../../configs/catalogue/catalogue.yaml").Lookup("branch.promoted")
	if !a.Mapped || a.Severity != 6 {
		t.Errorf("got %+v", *a)
	}
}

// TestTheCataloguesOfOursAreSound reads our catalogues as a user's file. That changes
// nothing in them.
func TestTheCataloguesOfOursAreSound(t *testing.T) {
	built := builtin(t)
	for _, path := range []string{"../source/planetscale/catalogue.json", "../transform/common.json"} {
		c := catalogue(t, path)
		for _, action := range built.Actions() {
			got, built := *c.Lookup(action), *built.Lookup(action)
			got.Rule = built.Rule
			want(t, built, got)
		}
	}
}
