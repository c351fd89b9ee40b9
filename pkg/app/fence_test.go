package app

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fence is a fenced block of a document. A block of the language sh holds what a person
// types. A test pastes it into a shell, unless the line above marks it:
//
//	<!-- not run: why -->
//	<!-- run in the gate: why not elsewhere -->
type fence struct {
	line     int
	language string
	text     string
	mark     string // notRun, inTheGate or nothing
}

const (
	notRun    = "not run"
	inTheGate = "run in the gate"
)

// pastedInTheGate are the documents whose blocks TestDocumentsInAFreshClone pastes.
var pastedInTheGate = []string{"README.md", "CONTRIBUTING.md", "docs/extending.md"}

var (
	marks = regexp.MustCompile(`(?m)^<!-- (` + notRun + `|` + inTheGate + `): \S+ \S.* -->$`)
	// meant matches a mark that may be wrong.
	meant = regexp.MustCompile(`(?m)^\s*<!-- *(` + notRun + `|` + inTheGate + `)`)
	// typed matches a line that a person types.
	typed = regexp.MustCompile(`(?m)^(sudo |\./)?(sluice|go|git|docker|docker-compose|kubectl|helm|systemctl|curl|tar|apt|rpm|dpkg|\.ci/\S+|kafka-\S+\.sh) `)
)

func fences(doc string) (all []fence) {
	var open *fence
	above, number := "", 0
	for line := range strings.Lines(doc) {
		number++
		language, isFence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case isFence && open == nil:
			open = &fence{line: number, language: language}
			if m := marks.FindStringSubmatch(above); m != nil {
				open.mark = m[1]
			}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
		above = line
	}
	return all
}

// TestEveryCommandInDocumentsIsRunOrSaysWhyNot finds commands that TestCommandsInDocumentsWork
// would miss.
func TestEveryCommandInDocumentsIsRunOrSaysWhyNot(t *testing.T) {
	for name, doc := range documents(t) {
		marked := 0
		for _, f := range fences(doc) {
			switch {
			case f.mark == inTheGate && !slices.Contains(pastedInTheGate, name):
				t.Errorf("%s:%d: no test of the gate pastes the blocks of this document", name, f.line)
			case f.language == "sh" && f.mark != "":
				marked++
			case f.language != "sh" && typed.MatchString(f.text):
				t.Errorf("%s:%d: the block has commands; make its language sh, so that a test runs it", name, f.line)
			case !slices.Contains([]string{"sh", "yaml", "json", "expr", "go", "ini", "text"}, f.language):
				t.Errorf("%s:%d: the block has the language %q; name one that this test knows, such as text", name, f.line, f.language)
			}
		}
		if all := len(meant.FindAllString(doc, -1)); all != marked {
			t.Errorf("%s has %d marks, and only %d of them are in the line above a block of the language sh and say why", name, all, marked)
		}
	}
}

// TestTestsNamedInDocumentsExist looks for each test and benchmark that a command of a
// document selects.
func TestTestsNamedInDocumentsExist(t *testing.T) {
	command := regexp.MustCompile(`(?m)go test ([^\x60#\n]*)`)
	seen := 0
	for name, doc := range documents(t) {
		for _, m := range command.FindAllStringSubmatch(doc, -1) {
			args := strings.Fields(m[1])
			for i, arg := range args[:len(args)-min(1, len(args))] {
				pattern := strings.Trim(args[i+1], "'")
				if arg != "-run" && arg != "-bench" || pattern == "^$" {
					continue
				}
				seen++
				if !anyTest(t, map[string]string{"-run": "Test", "-bench": "Benchmark"}[arg], pattern, args) {
					t.Errorf("%s: go test %s selects no test", name, m[1])
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("found only %d commands", seen)
	}
}

// anyTest says whether a package among the arguments has a test that the pattern selects.
func anyTest(t *testing.T, kind, pattern string, args []string) bool {
	t.Helper()
	top, _, _ := strings.Cut(pattern, "/") // the rest selects subtests
	selected := regexp.MustCompile(top)
	for _, arg := range args {
		dir, isPackage := strings.CutPrefix(arg, "./")
		if !isPackage {
			continue
		}
		files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("package %s has no tests", arg)
		}
		for _, file := range files {
			for _, m := range regexp.MustCompile(`(?m)^func (`+kind+`\w*)\(`).FindAllStringSubmatch(read(t, file), -1) {
				if selected.MatchString(m[1]) {
					return true
				}
			}
		}
	}
	return false
}

// anchors returns the anchors of a document's headings, as the common forges make them.
func anchors(doc string) (all []string) {
	for _, f := range fences(doc) { // A comment in a shell is no heading.
		doc = strings.Replace(doc, f.text, "", 1)
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(doc, -1) {
		text := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(text, " ", "-"))
	}
	return all
}

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)
	docs := documents(t)
	for name, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(doc, -1) {
			path := filepath.Join(filepath.Dir(name), m[1])
			if m[1] == "" {
				path = name
			}
			if _, err := os.Stat(filepath.Join("../..", path)); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if m[2] != "" && !slices.Contains(anchors(docs[path]), m[2]) {
				t.Errorf("%s: %s has no heading for #%s", name, path, m[2])
			}
		}
	}
}
