package ownlog

import "github.com/sluice-siem/sluice/pkg/source"

// Source is the own log as a source. Its positions are numbers of lines.
type Source struct{ source.Source }

// NewSource returns the log in a store as a source. Close of the source leaves the store open.
func NewSource(store Store) *Source { return nil }
