package app

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// On a terminal the error and the hint are below the line, and cannot drive the terminal.
func TestALineOfTheLogOnATerminal(t *testing.T) {
	line := bytes.NewBufferString("2026-03-01 10:00:00 WRN publish failed attempts=1 lane=acme/siem")
	arrange(map[string]any{"message": "publish failed", "error": "connection \x1b[2J refused by the server", "hint": "start the server"}, line, 44)
	want := "2026-03-01 10:00:00 WRN publish failed\n    attempts=1 lane=acme/siem\n" +
		"    error: connection \\x1b[2J refused by the\n           server\n    hint: start the server"
	if diff := cmp.Diff(want, line.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
