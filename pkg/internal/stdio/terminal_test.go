package stdio_test

import (
	"io"
	"testing"

	"github.com/sluice-siem/sluice/pkg/internal/stdio"
)

// The conventions: NO_COLOR counts if it is not empty (no-color.org), and a dumb terminal
// has no colors.
func TestWhoWantsColor(t *testing.T) {
	for _, c := range []struct {
		noColor, term string
		want          bool
	}{{"", "xterm", true}, {"", "", true}, {"1", "xterm", false}, {"0", "xterm", false}, {"", "dumb", false}} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("TERM", c.term)
		if got := stdio.WantsColor(); got != c.want {
			t.Errorf("NO_COLOR=%q TERM=%q: got %t", c.noColor, c.term, got)
		}
		if stdio.Color(io.Discard) || stdio.Rewrites(io.Discard) || stdio.Columns(io.Discard) != 0 {
			t.Error("what is no terminal has a width, colors or lines that can be rewritten")
		}
	}
}
