package sinktest

// RuleNames is the rules that Run checks, and RunRule checks one of them.
var (
	RuleNames = suite.Names
	RunRule   = suite.RunRule
)
