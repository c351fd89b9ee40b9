package stdout

import (
	"github.com/sluice-siem/sluice/pkg/internal/stdio"
	"github.com/sluice-siem/sluice/pkg/sink"
)

// textFormat is the name of the format for people.
const textFormat = "text"

// The sequences of ECMA-48, section 8.3.117 (SGR).
const (
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	bold   = "\x1b[1;31m"
	plain  = "\x1b[0m"
)

// color returns the sequence before a line for people; empty for other records.
func color(r *sink.Record) string {
	const medium, high, critical = 4, 7, 9 // as OCSF names them
	switch {
	case r.Format != textFormat || !stdio.WantsColor():
		return ""
	case r.Severity >= critical:
		return bold
	case r.Severity >= high:
		return red
	case r.Severity >= medium:
		return yellow
	}
	return ""
}
