package ownlog

import "github.com/sluice-siem/sluice/pkg/source"

// Organization is the organization of all events of the own log.
const Organization = Name

// Type describes the events of the own log. A configuration cannot name it: the own log is
// a source wherever there is a state. Its Open returns an error; NewSource opens the log.
func Type() source.Type { return source.Type{Name: Name} }
