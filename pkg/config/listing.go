package config

import (
	"fmt"
	"maps"
	"slices"
)

// Listing returns the settings in force by their keys, each in a line. A secret reads
// [secret], and a key of evidence is its public part.
func (c *Config) Listing() (lines []string) {
	all := valuesOf(c)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key].is
		if p, is := value.(present); is {
			value = p.kind
		}
		if text := fmt.Sprintf("%v", value); text != "" {
			lines = append(lines, key+": "+text)
		}
	}
	return lines
}
