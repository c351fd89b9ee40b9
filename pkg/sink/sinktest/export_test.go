package sinktest

import "testing"

// RuleNames lists what Run checks.
func RuleNames() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

// RunRule checks one rule, reporting to t.
func RunRule(name string, t testing.TB, h Harness) {
	for _, r := range rules {
		if r.name == name {
			r.run(t, h)
			return
		}
	}
	t.Fatalf("there is no rule %q", name)
}
