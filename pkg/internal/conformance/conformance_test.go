package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/conformance"
	"github.com/sluice-siem/sluice/pkg/internal/recorder"
)

// suite is three rules. Each fails if the harness names it, and notes that it ran.
func suite(ran *[]string) conformance.Suite[string] {
	var s conformance.Suite[string]
	for _, name := range []string{"first", "second", "third"} {
		s = append(s, conformance.Rule[string]{Name: name, Advice: "mend " + name, Check: func(t testing.TB, failing string) {
			*ran = append(*ran, name)
			if name == failing {
				t.Fatalf("%s is broken", name)
			}
		}})
	}
	return s
}

func TestOnlyTheFirstRuleStopsTheOthers(t *testing.T) {
	for failing, want := range map[string]struct {
		ran, says []string
	}{
		"none":   {[]string{"first", "second", "third"}, nil},
		"second": {[]string{"first", "second", "third"}, nil},
		"first":  {[]string{"first"}, []string{`the other 2 rules were not checked, because they rely on "first": first make that rule pass`}},
	} {
		var ran []string
		r := recorder.Record(t, func(t testing.TB) {
			conformance.RunAll(suite(&ran), t, func(rule conformance.Rule[string]) bool {
				ran = append(ran, rule.Name)
				return rule.Name != failing
			})
		})
		if !slices.Equal(ran, want.ran) || !slices.Equal(r.Failures, want.says) {
			t.Errorf("if %s fails: the rules %q ran and %q was reported, want %q and %q", failing, ran, r.Failures, want.ran, want.says)
		}
	}
}

func TestEveryRuleHasAHarnessOfItsOwn(t *testing.T) {
	var ran []string
	setups := 0
	suite(&ran).Run(t, func(testing.TB) string { setups++; return "none" })
	if want := suite(&ran).Names(); !slices.Equal(ran, want) || setups != len(want) {
		t.Errorf("the rules %q ran on %d harnesses, want %q and one for each", ran, setups, want)
	}
}

func TestAdviceFollowsTheFailures(t *testing.T) {
	var ran []string
	for failing, want := range map[string]string{"none": "", "second": "second is broken\nwhat to do: mend second"} {
		r := recorder.Record(t, func(t testing.TB) { suite(&ran).RunRule("second", t, failing) })
		if got := strings.Join(r.Failures, "\n"); got != want {
			t.Errorf("if %s fails: got %q, want %q", failing, got, want)
		}
	}
}

func TestUnknownRule(t *testing.T) {
	var ran []string
	r := recorder.Record(t, func(t testing.TB) { suite(&ran).RunRule("fourth", t, "none") })
	if len(ran) > 0 || !slices.Equal(r.Failures, []string{`there is no rule "fourth"`}) {
		t.Errorf("the rules %q ran, and %q was reported", ran, r.Failures)
	}
}
