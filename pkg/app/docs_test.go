package app

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
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
	env := func(name string) (string, bool) { return "value of " + name, true }
	for name, doc := range documents(t) {
		for _, block := range blocks(doc, "yaml") {
			if !strings.Contains(block, "sources:") {
				continue // of compose or the like
			}
			if _, err := config.Parse(name, []byte(block), kinds(), env); err != nil {
				t.Errorf("%s: %v", name, err)
			}
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
