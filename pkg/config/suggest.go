package config

import (
	"slices"
	"strings"

	"github.com/sluice-siem/sluice/pkg/internal/nearest"
)

// advice returns what to write in place of an unknown word.
func advice(word string, known []string) string {
	if s := nearest.Word(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	if len(known) == 0 {
		return "none is known here, so remove it"
	}
	return "known: " + strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", ")
}
