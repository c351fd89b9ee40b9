package app

import (
	"io"
	"io/fs"
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

// documents lists the documents for people, by their paths in the repository.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob("../../" + pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("got %v, %v, want files", paths, err)
		}
		for _, path := range paths {
			name, err := filepath.Rel("../..", path)
			if err != nil {
				t.Fatal(err)
			}
			docs[name] = read(t, path)
		}
	}
	return docs
}

// blocks returns the fenced blocks of a language.
func blocks(doc, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestConfigurationsInDocumentsLoad(t *testing.T) {
	env := func(name string) (string, bool) { return "a-value-that-is-long-enough-for-a-key-" + name, true }
	for name, doc := range documents(t) {
		for _, block := range blocks(doc, "yaml") {
			if !strings.Contains("\n"+block, "\nsources:") {
				continue // for compose or another program
			}
			block = strings.ReplaceAll(block, "/etc/sluice", "testdata/pasted/etc/sluice")
			if _, err := config.Parse(name, []byte(block), kinds(), env); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestTheExampleOfRedactionIsTrue applies the configuration in docs/filtering.md to the
// event below it.
func TestTheExampleOfRedactionIsTrue(t *testing.T) {
	doc := documents(t)["docs/filtering.md"]
	vars := token("PLANETSCALE")
	vars["REDACT_KEY"] = "0123456789abcdef0123456789abcdef"
	lane := parsed(t, blocks(doc, "yaml")[0], vars).Lanes()[0]
	example := blocks(doc, "json")
	events, err := planetscale.Parse([]byte(example[0]), "acme")
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := newPreparation(lane, &prepare.Stock{})
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
	conditions := strings.TrimSpace(blocks(documents(t)["docs/filtering.md"], "expr")[0])
	product := planetscale.Type().Product
	for condition := range strings.Lines(conditions) {
		x := where.For(&product)
		if err := x.UnmarshalText([]byte(condition)); err != nil {
			t.Errorf("%s: %v", condition, err)
		}
	}
}

func TestCommandsInDocumentsExist(t *testing.T) {
	pattern := regexp.MustCompile(`(?m)(?:^|&& |\x60|\./cmd/)sluice ([a-z][^\x60#|&\n]*)`)
	seen := 0
	docs := documents(t)
	docs["configs/prometheus/alerts.yaml"] = read(t, "../../configs/prometheus/alerts.yaml")
	for name, doc := range docs {
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
		t.Errorf("found only %d commands", seen)
	}
}

// README and package cursorlog say how large the example of a source is.
func TestTheExampleOfASourceIsAsSmallAsTheDocsSay(t *testing.T) {
	code, err := os.ReadFile("../../docs/examples/customsource/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(code), "\n"); lines >= 130 {
		t.Errorf("the example has %d lines, the docs say under 130", lines)
	}
}

// Each page says at its top what it answers. mapping.md is generated.
func TestPagesSayWhatTheyAnswer(t *testing.T) {
	for name, doc := range documents(t) {
		if strings.HasPrefix(name, "docs/") && !regexp.MustCompile(`^# .*\n\nThis page answers: .*\?`).MatchString(doc) && name != "docs/mapping.md" {
			t.Errorf("%s does not begin with its title and a line such as: This page answers: …?", name)
		}
	}
}

func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(documents(t)["README.md"], "\n"); lines >= 200 {
		t.Errorf("README.md has %d lines, want fewer than 200: move what not everybody needs into a page", lines)
	}
}

// TestReadmeLeadsToEveryPage follows links from README.md, over other pages too.
func TestReadmeLeadsToEveryPage(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+\.md)`)
	docs := documents(t)
	reached := map[string]bool{}
	var follow func(name string)
	follow = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		for _, m := range link.FindAllStringSubmatch(docs[name], -1) {
			follow(filepath.Join(filepath.Dir(name), m[1]))
		}
	}
	follow("README.md")
	for name := range docs {
		if !reached[name] {
			t.Errorf("no link leads from README.md to %s, over other pages either", name)
		}
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	page := documents(t)["docs/commands.md"]
	root := (&command{kinds: kinds(), stdout: io.Discard, stderr: io.Discard}).root()
	for _, cmd := range root.Commands() {
		if !cmd.Hidden && !strings.Contains(page, "`sluice "+cmd.Name()) {
			t.Errorf("docs/commands.md does not have sluice %s", cmd.Name())
		}
	}
}

func TestEveryAlertIsDocumented(t *testing.T) {
	rules := read(t, "../../configs/prometheus/alerts.yaml")
	page := documents(t)["docs/operations.md"]
	names := func(pattern, text string) (all []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1]+" "+m[2])
		}
		return all
	}
	want := names(`(?s)- alert: (\w+).*?severity: (\w+)`, rules)
	got := names(`(?m)^\| \x60(Sluice\w+)\x60 .* \| (\w+) \|$`, page)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alert and severity in alerts.yaml (-), docs/operations.md (+):\n%s", diff)
	}
}

// TestMessagesInDocumentsExist looks for each message of docs/troubleshooting.md in the
// source. An … stands for what differs.
func TestMessagesInDocumentsExist(t *testing.T) {
	var source strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			source.WriteString(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	messages := regexp.MustCompile(`(?m)^\| \x60([^\x60]+)\x60 \|.*\|.*\|$`).FindAllStringSubmatch(documents(t)["docs/troubleshooting.md"], -1)
	if len(messages) < 30 {
		t.Errorf("found only %d messages", len(messages))
	}
	for _, m := range messages {
		for part := range strings.SplitSeq(m[1], "…") {
			if !strings.Contains(source.String(), strings.TrimSpace(part)) {
				t.Errorf("docs/troubleshooting.md: no source has %q", part)
			}
		}
	}
}

// TestPagesThatMessagesNameExist looks for each page that a message of the source names.
func TestPagesThatMessagesNameExist(t *testing.T) {
	named := regexp.MustCompile(`docs/[a-z0-9/-]+\.md`)
	docs, found := documents(t), 0
	err := filepath.WalkDir("../../pkg", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, page := range named.FindAllString(read(t, path), -1) {
			if found++; docs[page] == "" {
				t.Errorf("%s names %s, which does not exist", path, page)
			}
		}
		return nil
	})
	if err != nil || found < 3 {
		t.Errorf("found only %d pages: %v", found, err)
	}
}
