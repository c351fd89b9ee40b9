package config

import (
	"slices"
	"strings"
)

// suggest returns the known word that was most likely meant, or "" if none is near. It
// allows one slip in three letters.
func suggest(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// advice returns what to write in place of an unknown word.
func advice(word string, known []string) string {
	if s := suggest(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	if len(known) == 0 {
		return "none is known here"
	}
	return "known: " + strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", ")
}

// distance counts the letters to insert, remove, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		current[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			current[j+1] = min(current[j]+1, last[j+1]+1, replace)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				current[j+1] = min(current[j+1], before[j-1]+1)
			}
		}
		before, last, current = last, current, before
	}
	return last[len(b)]
}
