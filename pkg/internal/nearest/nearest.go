// Package nearest finds the known word that a person most likely meant.
package nearest

import "strings"

// Word returns the known word that was most likely meant, or "" if none is near. It
// allows one slip in three letters.
func Word(word string, known []string) string {
	word = strings.ToLower(word)
	best, fewest := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// least is how many letters a part of a word must have to stand for the word.
const least = 3

// WordOrPart also finds the word by a part of it, such as hec for splunk_hec, or by more
// than it, such as warning for warn.
func WordOrPart(word string, known []string) string {
	near := Word(word, known)
	word = strings.ToLower(word)
	for _, k := range known {
		part := len(word) >= least && strings.Contains(k, word)
		if near == "" && (part || len(k) > least && strings.HasPrefix(word, k)) {
			near = k
		}
	}
	return near
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
