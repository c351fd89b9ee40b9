package transform_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// attack is what is known of a release of MITRE ATT&CK for Enterprise.
type attack struct {
	Version    string
	Techniques map[string]string // names by id
	Withdrawn  map[string]string // what replaces an id that was revoked; empty if it was deprecated
}

// readAttack returns release 18.1, the newest whole one that could be had, with the ids that
// 19 added and revoked.
func readAttack(t *testing.T) attack {
	t.Helper()
	var a, changes attack
	read(t, "testdata/attack.json", &a)
	read(t, "testdata/attack-19.json", &changes)
	for id := range changes.Withdrawn {
		if a.Techniques[id] == "" {
			t.Errorf("%s revoked %s, which %s does not have", changes.Version, id, a.Version)
		}
		delete(a.Techniques, id)
	}
	maps.Copy(a.Techniques, changes.Techniques)
	maps.Copy(a.Withdrawn, changes.Withdrawn)
	// Others who read the whole of 19.1 count as many.
	if got, want := [2]int{len(a.Techniques), len(a.Withdrawn)}, [2]int{697, 161}; got != want {
		t.Errorf("%s has %d techniques and withdrew %d, want %d", changes.Version, got[0], got[1], want)
	}
	a.Version = changes.Version
	return a
}

// wrong says what is wrong with a technique, if anything.
func (a attack) wrong(id string) string {
	instead, withdrawn := a.Withdrawn[id]
	switch {
	case a.Techniques[id] != "":
		return ""
	case instead != "":
		return "was revoked; it is " + instead + " now"
	case withdrawn:
		return "was deprecated"
	}
	return "is not one of " + a.Version
}

// TestTechniquesAreThoseOfATTACK compares the names of the catalogue with the release.
func TestTechniquesAreThoseOfATTACK(t *testing.T) {
	a := readAttack(t)
	names := map[string]string{}
	for _, path := range []string{"common.json", "../source/planetscale/catalogue.json"} {
		var file struct{ Techniques map[string]string }
		read(t, path, &file)
		maps.Copy(names, file.Techniques)
	}
	if len(names) < 10 {
		t.Errorf("got techniques %v, want more of them", names)
	}
	want := map[string]string{}
	for id := range names {
		if wrong := a.wrong(id); wrong != "" {
			t.Errorf("technique %s %s", id, wrong)
		}
		want[id] = a.Techniques[id]
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestExamplesNameTechniquesOfATTACK looks for ids in what people copy.
func TestExamplesNameTechniquesOfATTACK(t *testing.T) {
	a, id := readAttack(t), regexp.MustCompile(`\bT[0-9]{4}(\.[0-9]{3})?\b`)
	for _, path := range []string{
		"../source/planetscale/catalogue.json", "../../configs/catalogue/catalogue.yaml", "../../docs/examples/customsource/catalogue.json",
	} {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(id.FindAllString(text(t, path), -1)))) {
			if wrong := a.wrong(id); wrong != "" {
				t.Errorf("%s: technique %s %s", path, id, wrong)
			}
		}
	}
}

func TestWhatIsWrongWithATechnique(t *testing.T) {
	a := readAttack(t)
	for id, want := range map[string]string{
		"T1098.001": "", "T1686.001": "", "T1562.007": "was revoked; it is T1686.001 now", "T1002": "was revoked; it is T1560 now",
		"T1026": "was deprecated", "T9999": "is not one of 19.2",
	} {
		if got := a.wrong(id); got != want {
			t.Errorf("%s %s, want %q", id, got, want)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
