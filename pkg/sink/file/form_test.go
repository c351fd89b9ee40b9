package file_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink/file"
)

// The JSON Schema accepts the modes that are parsed, and no others.
func TestTheFormOfModesIsWhatIsParsed(t *testing.T) {
	pattern := regexp.MustCompile(file.Mode(0).Form().Pattern)
	for mode := range 0o2000 {
		for _, text := range []string{fmt.Sprintf("%o", mode), fmt.Sprintf("0%o", mode), fmt.Sprintf("0o%o", mode), fmt.Sprintf("x%o", mode)} {
			if got, want := pattern.MatchString(text), new(file.Mode).UnmarshalText([]byte(text)) == nil; got != want {
				t.Errorf("%s: the pattern matches: %v, it is parsed: %v", text, got, want)
			}
		}
	}
}
