// Package conformance runs the rules of a conformance suite, such as package sinktest.
package conformance

import "testing"

// Rule is one requirement of a contract. H is the harness that the check uses.
type Rule[H any] struct {
	Name   string
	Check  func(t testing.TB, h H)
	Advice string // what to do if the check fails
}

// Suite is the rules of a contract. All others rely on what the first one checks.
type Suite[H any] []Rule[H]

// Run checks each rule in a subtest. For each it calls setup, which returns a new harness.
// If the first rule fails, Run does not check the others: each would wait in vain and
// report the same fault in other words.
func (s Suite[H]) Run(t *testing.T, setup func(t testing.TB) H) {
	t.Helper()
	s.run(t, func(r Rule[H]) (passed bool) {
		return t.Run(r.Name, func(t *testing.T) { r.run(t, setup(t)) })
	})
}

func (s Suite[H]) run(t testing.TB, passes func(Rule[H]) bool) {
	t.Helper()
	for i, r := range s {
		if !passes(r) && i == 0 {
			t.Fatalf("the other %d rules were not checked, because they rely on %q: first make that rule pass", len(s)-1, r.Name)
		}
	}
}

// RunRule checks one rule.
func (s Suite[H]) RunRule(name string, t testing.TB, h H) {
	t.Helper()
	for _, r := range s {
		if r.Name == name {
			r.run(t, h)
			return
		}
	}
	t.Fatalf("there is no rule %q", name)
}

// Names is the names of the rules.
func (s Suite[H]) Names() []string {
	var names []string
	for _, r := range s {
		names = append(names, r.Name)
	}
	return names
}

// run checks the rule. Its advice follows the failures that the check reports.
func (r Rule[H]) run(t testing.TB, h H) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Errorf("what to do: %s", r.Advice)
		}
	}()
	r.Check(t, h)
}
