package app

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
	"github.com/sluice-siem/sluice/pkg/transform/prepare"
	"github.com/sluice-siem/sluice/pkg/transform/where"
)

// documents are what people read.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, path := range append(paths, "../../README.md") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs[filepath.Base(path)] = string(data)
	}
	return docs
}

// blocks are the fenced blocks of a language.
func blocks(doc, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestConfigurationsInDocumentsLoad(t *testing.T) {
	env := func(name string) (string, bool) { return "a value that is long enough for a key: " + name, true }
	for name, doc := range documents(t) {
		for _, block := range blocks(doc, "yaml") {
			if !strings.Contains("\n"+block, "\nsources:") {
				continue // of compose or the like
			}
			if _, err := config.Parse(name, []byte(block), kinds(), env); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestTheExampleOfRedactionIsTrue does to the event in docs/filtering.md what the
// configuration above it says.
func TestTheExampleOfRedactionIsTrue(t *testing.T) {
	doc := documents(t)["filtering.md"]
	vars := token("PLANETSCALE")
	vars["REDACT_KEY"] = "0123456789abcdef0123456789abcdef"
	s := parsed(t, blocks(doc, "yaml")[0], vars).Sinks[0]
	example := blocks(doc, "json")
	events, err := planetscale.Parse([]byte(example[0]), "acme")
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := newPreparation(s, &prepare.Stock{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := prepared(&events[0])
	if err != nil || got == nil {
		t.Fatalf("got %v and error %v", got, err)
	}
	if diff := cmp.Diff(strings.TrimSpace(example[1]), string(got.Raw)); diff != "" {
		t.Errorf("docs/filtering.md (-), Sluice (+):\n%s", diff)
	}
}

// TestTheConditionsInDocumentsAreSound compiles the examples of where.
func TestTheConditionsInDocumentsAreSound(t *testing.T) {
	conditions := strings.TrimSpace(blocks(documents(t)["filtering.md"], "expr")[0])
	for condition := range strings.Lines(conditions) {
		if err := new(where.Expression).UnmarshalText([]byte(condition)); err != nil {
			t.Errorf("%s: %v", condition, err)
		}
	}
}

func TestCommandsInDocumentsExist(t *testing.T) {
	pattern := regexp.MustCompile(`(?m)(?:^|\x60|\./cmd/)sluice ([a-z][^\x60#|\n]*)`)
	seen := 0
	for name, doc := range documents(t) {
		for _, m := range pattern.FindAllStringSubmatch(doc, -1) {
			seen++
			args := strings.Fields(m[1])
			root := (&command{kinds: kinds(), stdout: io.Discard, stderr: io.Discard}).root()
			cmd, rest, err := root.Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err != nil || cmd == root {
				t.Errorf("%s: sluice %s: %v", name, m[1], err)
			}
		}
	}
	if seen < 10 {
		t.Errorf("found %d commands", seen)
	}
}

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for name, doc := range documents(t) {
		dir := "../../docs"
		if name == "README.md" {
			dir = "../.."
		}
		for _, m := range link.FindAllStringSubmatch(doc, -1) {
			if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
