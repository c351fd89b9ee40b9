package setting_test

import (
	"encoding"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// TestFormsAreWhatIsParsed compares the patterns with what UnmarshalText accepts.
func TestFormsAreWhatIsParsed(t *testing.T) {
	for name, c := range map[string]struct {
		value encoding.TextUnmarshaler
		parts []string // of texts to try
	}{
		"duration": {new(setting.Duration), []string{"0", "1", "25", ".", "+", " ", "ns", "us", "µs", "μs", "ms", "s", "m", "h", "H", "d"}},
		"size":     {new(setting.Size), []string{"0", "1", "25", ".", " ", "k", "K", "m", "G", "T", "i", "I", "B", "b", "_", "P"}},
	} {
		form := c.value.(setting.Formed).Form()
		pattern := regexp.MustCompile(form.Pattern)
		rapid.Check(t, func(t *rapid.T) {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(c.parts), 0, 5).Draw(t, "parts"), "")
			if got, want := pattern.MatchString(text), c.value.UnmarshalText([]byte(text)) == nil; got != want {
				t.Fatalf("%s %q: the pattern matches: %v, it is parsed: %v", name, text, got, want)
			}
		})
	}
}
