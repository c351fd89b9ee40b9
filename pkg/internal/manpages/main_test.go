package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-siem/sluice/pkg/app"
)

// written returns the pages by the names of their files.
func written(t *testing.T) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "man")
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, f := range files {
		page, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[f.Name()] = string(page)
	}
	return pages
}

func TestEachCommandHasAPage(t *testing.T) {
	pages := written(t)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		page := pages[name+".1"]
		if !strings.Contains(strings.ReplaceAll(page, `\`, ""), name+" - "+cmd.Short) {
			t.Errorf("%s.1 does not say what %s does:\n%s", name, cmd.CommandPath(), page)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(strings.ReplaceAll(page, `\`, ""), "--"+f.Name) {
				t.Errorf("%s.1 does not name the flag --%s", name, f.Name)
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	root, _ := app.Documentation()
	visit(root)
}

var section = regexp.MustCompile(`(?m)^\.SH (.*)\n`)

func TestNoSectionIsEmpty(t *testing.T) {
	for name, page := range written(t) {
		sections := section.FindAllStringSubmatchIndex(page, -1)
		if len(sections) < 3 {
			t.Errorf("%s has %d sections, want a name, a synopsis and a description at least", name, len(sections))
		}
		for i, s := range sections {
			end := len(page)
			if i+1 < len(sections) {
				end = sections[i+1][0]
			}
			text := strings.NewReplacer(".PP", "", ".SH", "", ".TP", "").Replace(page[s[1]:end])
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has nothing in section %s", name, page[s[2]:s[3]])
			}
		}
	}
}

func TestAFlagWithoutAValueShowsNone(t *testing.T) {
	page := written(t)["sluice-run.1"]
	if strings.Contains(page, "[=") || !strings.Contains(page, `\fB--once\fP`+"\n") {
		t.Errorf("sluice-run.1 shows a value of a flag that takes none:\n%s", page)
	}
}

func TestTheConfigurationHasAPage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1767225600")
	page := strings.ReplaceAll(written(t)["sluice.yaml.5"], `\-`, "-")
	for _, want := range []string{
		`.TH SLUICE.YAML 5 "Jan 2026" "sluice `, "sluice.yaml - configuration of sluice",
		"SETTINGS OF A SINK OF TYPE kafka", `"sasl.password, sasl.password_file" " (secret)"`, "Default: exactly_once.", "It is required with cert_file.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("sluice.yaml.5 has no %q", want)
		}
	}
}
