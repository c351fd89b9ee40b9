package app

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
)

// misconfigurations is the corpus. Its first lines describe its form.
const misconfigurations = "misconfigurations.txt"

// Lines of the corpus that are not text of a file.
const (
	caseMark  = "=== "       // and the words of the case
	fileMark  = "--- "       // and the name of a further file
	toldMark  = ">>> prints" // the messages follow
	wholeMark = " (whole file)"
)

// What the test adds to a file that lacks it. The token must never show.
const (
	soundSources = "sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token_id: id, service_token: hunter2}}]\n"
	soundSinks   = "sinks: [{name: screen, type: stdout}]\n"
)

// misconfigurationEnv is the environment of every case. NONE and MISSING are unset.
var misconfigurationEnv = map[string]string{
	"EMPTY": "", "TOKEN": "hunter2", "WORD": "word", "FIVE": "5", "MANY": "256", "TWICE": "${NONE}",
	"LINES": "hunter2\nsecond: line", "BOM": "\ufeffhunter2", "SECRETS": "secrets",
}

type misconfiguration struct {
	words string
	lines []string // of the corpus, up to the messages
	files map[string]string
}

// TestMisconfigurations compares what check prints for each wrong configuration with the
// corpus. With -update it writes the messages.
func TestMisconfigurations(t *testing.T) {
	for name, value := range misconfigurationEnv {
		t.Setenv(name, value)
	}
	for _, name := range []string{"NONE", "MISSING"} {
		t.Setenv(name, "") // so that it is as before after the test
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	intro, cases := readMisconfigurations(t)
	if len(cases) < 200 {
		t.Errorf("got %d cases, want 200 or more", len(cases))
	}
	got := intro
	for i, c := range cases {
		if testing.Short() && i%8 > 0 { // too few for the file, enough for a race
			continue
		}
		t.Run(c.words, func(t *testing.T) {
			told := c.told(t)
			c.judge(t, told)
			got += strings.Join(c.lines, "\n") + "\n" + toldMark + "\n" + told + "\n"
		})
	}
	if !testing.Short() {
		golden.Check(t, misconfigurations, got)
	}
}

// readMisconfigurations returns the text before the first case, and the cases.
func readMisconfigurations(t *testing.T) (intro string, cases []misconfiguration) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", misconfigurations))
	if err != nil {
		t.Fatal(err)
	}
	intro, rest, _ := strings.Cut(string(data), caseMark)
	for text := range strings.SplitSeq(rest, "\n"+caseMark) {
		text, _, _ = strings.Cut(text, "\n"+toldMark)
		cases = append(cases, newMisconfiguration(t, caseMark+text))
	}
	return intro, cases
}

func newMisconfiguration(t *testing.T, text string) misconfiguration {
	t.Helper()
	lines := strings.Split(text, "\n")
	c := misconfiguration{words: strings.TrimPrefix(lines[0], caseMark), lines: lines, files: map[string]string{}}
	name := "sluice.yaml"
	c.files[name] = ""
	for _, line := range lines[1:] {
		if other, begins := strings.CutPrefix(line, fileMark); begins {
			name = unescaped(t, other)
			c.files[name] = ""
			continue
		}
		c.files[name] += unescaped(t, line) + "\n"
	}
	if !strings.HasSuffix(c.words, wholeMark) {
		c.complete()
	}
	return c
}

// complete adds sources and sinks where the case has none.
func (c *misconfiguration) complete() {
	for key, sound := range map[string]string{"sources:": soundSources, "sinks:": soundSinks} {
		if text := "\n" + c.files["sluice.yaml"]; !strings.Contains(text, "\n"+key) {
			c.files["sluice.yaml"] += sound
		}
	}
}

// escape is a character that cannot be seen, in the notation of Go: ⟦\t⟧.
var escape = regexp.MustCompile(`⟦([^⟧]*)⟧`)

func unescaped(t *testing.T, line string) string {
	return escape.ReplaceAllStringFunc(line, func(found string) string {
		text, err := strconv.Unquote(`"` + escape.FindStringSubmatch(found)[1] + `"`)
		if err != nil {
			t.Fatalf("%s: %v", found, err)
		}
		return text
	})
}

// told returns what check prints about the case, without "sluice: error: ".
func (c *misconfiguration) told(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range c.files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), writeOrMake(name, text)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := (&command{kinds: misconfigurationKinds()}).load("sluice.yaml")
	if !errors.As(err, new(config.Errors)) {
		t.Errorf("%s: got %v, want problems", c.words, err)
		return "ACCEPTED\n"
	}
	var out bytes.Buffer
	report(&out, err, nil)
	text := strings.ReplaceAll(out.String(), "sluice: error: ", "")
	return strings.ReplaceAll(text, dir, "DIR")
}

// writeOrMake writes a file. A name that ends in a slash is a directory.
func writeOrMake(name, text string) error {
	if strings.HasSuffix(name, "/") {
		return os.MkdirAll(name, 0o700)
	}
	// The last line of a case has no line end of its own unless it is written.
	return os.WriteFile(name, []byte(text), 0o600)
}

var (
	placed = regexp.MustCompile(`^(\S.*?):(\d+):(\d+): ((?:[a-z_]+(?:\[[^\]]+\])*\.?)+: )?(.+)$`)
	goWord = regexp.MustCompile(`<nil>|interface ?\{|map\[|\[\]|func\(|\b(?:u?int\d*|float\d+|strconv|nil|got string|mismatched types|invalid operation|where\.Party|time\.[A-Z]\w+)\b`)
)

// judge requires of every message that it names a place that is there and a way out, and
// shows no secret and nothing that only a programmer understands.
func (c *misconfiguration) judge(t *testing.T, told string) {
	t.Helper()
	for line := range strings.Lines(told) {
		line = strings.TrimSuffix(line, "\n")
		parts := placed.FindStringSubmatch(line)
		switch {
		case strings.Contains(line, "hunter2"):
			t.Errorf("%s: a secret shows: %s", c.words, line)
		case strings.ContainsRune(line, '\uFFFD'):
			t.Errorf("%s: not readable: %s", c.words, line)
		case goWord.MatchString(line):
			t.Errorf("%s: a word of Go: %s", c.words, line)
		case parts == nil || !c.has(t, parts[1], parts[2]):
			t.Errorf("%s: no place: %s", c.words, line)
		case !strings.Contains(parts[5], "; ") && !strings.HasPrefix(parts[5], "not YAML: write"):
			t.Errorf("%s: no way out: %s", c.words, line)
		}
	}
}

// has reports whether a file of the case has a line of that number.
func (c *misconfiguration) has(t *testing.T, file, line string) bool {
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for name, text := range c.files {
		if n == 1 || n <= strings.Count(text, "\n") {
			names = append(names, strings.TrimSuffix(name, "/"), strings.Trim(strconv.Quote(name), `"`))
		}
	}
	return slices.Contains(names, file)
}

// TestMisconfigurationsNameEverySetting requires a case for each key of the types of
// Sluice, so that a new setting comes with what is told about a wrong one.
func TestMisconfigurationsNameEverySetting(t *testing.T) {
	_, cases := readMisconfigurations(t)
	var text strings.Builder
	for _, c := range cases {
		text.WriteString(strings.Join(c.lines, "\n") + "\n")
	}
	k := kinds()
	settings := map[string]any{}
	for _, s := range k.SharedStates {
		settings["state "+s.Name] = s.Settings()
	}
	for _, s := range k.Sources {
		settings["source "+s.Name] = s.Settings()
	}
	for _, s := range k.Sinks {
		settings["sink "+s.Name] = s.Settings()
	}
	for _, f := range k.Formats {
		settings["format "+f.Name] = f.Settings()
	}
	for what, s := range settings {
		for _, key := range keysOf(reflect.TypeOf(s).Elem()) {
			if !regexp.MustCompile(`\b` + key + `(_file)?:`).MatchString(text.String()) {
				t.Errorf("%s: no case has the key %s; add one to %s", what, key, misconfigurations)
			}
		}
	}
}

// keysOf returns the keys of settings, and of the settings within them.
func keysOf(t reflect.Type) (keys []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		if key != "" {
			keys = append(keys, key)
		}
		keys = append(keys, keysOf(f.Type)...)
	}
	return keys
}
