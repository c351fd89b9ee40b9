package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
)

// about is the beginning of sluice.yaml(5), in the macros of man(7).
const about = `.SH NAME
sluice.yaml \- configuration of sluice
.SH DESCRIPTION
The file is strict: an unknown key, a wrong type, a secret that is missing or a variable
that is not set is an error. sluice check \-c FILE reports all of them at once, each with
its place.
.PP
In every value ${NAME} and ${NAME:\-default} are replaced by environment variables, and $$
is a dollar sign.
.PP
A duration has a unit: 500ms, 10m, 1h30m. A size is a number of bytes, or has a unit: 512kB,
1GiB. A secret can also be in a file, whose path is in the key with _file.
.PP
sluice example prints annotated configurations. sluice schema prints a JSON Schema of the
file, for editors.
`

// headings are those of the kinds of sections, and say where their keys belong.
var headings = map[string]string{
	"":       "KEYS OF EVERY CONFIGURATION",
	"source": "SETTINGS OF A SOURCE OF TYPE %s\nBelow sources[].settings:",
	"sink":   "SETTINGS OF A SINK OF TYPE %s\nBelow sinks[].settings:",
	"format": "SETTINGS OF THE FORMAT %s\nBelow sinks[].format_settings:",
	"state":  "SETTINGS OF A STATE OF TYPE %s\nBelow state.settings:",
}

// writeSettings writes sluice.yaml(5) to a directory. Sections without keys are left out.
func writeSettings(dir, source string, date time.Time, ref config.Reference) error {
	var page strings.Builder
	fmt.Fprintf(&page, ".TH SLUICE.YAML 5 \"%s\" \"%s\" Sluice\n", date.Format("Jan 2006"), roff(source))
	page.WriteString(about)
	for _, s := range ref.Sections() {
		if len(s.Rows) == 0 {
			continue
		}
		heading := headings[s.Kind]
		if s.Name != "" {
			heading = fmt.Sprintf(heading, roff(s.Name))
		}
		fmt.Fprintf(&page, ".SH %s\n", heading)
		if s.Note != "" {
			fmt.Fprintf(&page, ".PP\n%s\n", roff(s.Note))
		}
		for _, r := range s.Rows {
			writeRow(&page, r)
		}
	}
	page.WriteString(".SH SEE ALSO\n.BR sluice (1),\n.BR sluice\\-check (1),\n.BR sluice\\-example (1),\n.BR sluice\\-schema (1)\n")
	return os.WriteFile(filepath.Join(dir, "sluice.yaml.5"), []byte(page.String()), 0o644)
}

func writeRow(page *strings.Builder, r config.Row) {
	kind := r.Type
	if len(r.Values) > 0 {
		kind = strings.Join(r.Values, ", ")
	}
	fmt.Fprintf(page, ".TP\n.BI \"%s\" \" (%s)\"\n%s\n", roff(r.Key), roff(kind), roff(r.Meaning))
	switch {
	case strings.HasPrefix(r.Presence, "required"):
		fmt.Fprintf(page, "It is %s.\n", roff(r.Presence))
	case r.Presence != "":
		fmt.Fprintf(page, "Default: %s.\n", roff(r.Presence))
	case r.Default != "":
		fmt.Fprintf(page, "Default: %s.\n", roff(r.Default))
	}
}

// escapes are the characters that man(7) takes for marks within a line.
var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`)

// roff escapes a plain text. A line that begins with a dot would be a request.
func roff(text string) string {
	text = escapes.Replace(text)
	if strings.HasPrefix(text, ".") {
		return `\&` + text
	}
	return text
}
