package conformance

import "testing"

// RunAll is Run with a function that checks a rule and reports whether it passed.
func RunAll[H any](s Suite[H], t testing.TB, passes func(Rule[H]) bool) { s.run(t, passes) }
