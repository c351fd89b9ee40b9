package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-siem/sluice/pkg/config"
)

// canary stands for a secret. It is not a valid name, since names are in lower case.
const canary = "TopSecret7"

// slips are mistakes in a line with a secret. KEY stands for the line up to its value.
var slips = []string{
	"KEY: TopSecret7", "KEY: |TopSecret7", "KEY: >TopSecret7", "KEY: | TopSecret7", "KEY: >- TopSecret7", "KEY: |2TopSecret7",
	"KEY: \"TopSecret7", "KEY: 'TopSecret7", "KEY: \"TopSecret7\" TopSecret7", "KEY: \"a\\TopSecret7\"", "KEY: \"\\uTopSecret7\"",
	"KEY: &TopSecret7", "KEY: &a TopSecret7", "KEY: *TopSecret7", "KEY: !TopSecret7", "KEY: !!int TopSecret7", "KEY: !<TopSecret7 x", "KEY: !!TopSecret7", "KEY: %TopSecret7", "KEY: @TopSecret7", "KEY: `TopSecret7",
	"KEY: [TopSecret7", "KEY: TopSecret7]", "KEY: [TopSecret7]", "KEY: {TopSecret7", "KEY: {TopSecret7}", "KEY: {TopSecret7: x}", "KEY: {a: TopSecret7}", "KEY: {a:TopSecret7}", "KEY: TopSecret7}",
	"KEY: TopSecret7: x", "KEY: x: TopSecret7", "KEY: - TopSecret7", "KEY: ? TopSecret7", "KEY: \tTopSecret7", "KEY:\tTopSecret7\t: x",
	"KEY:TopSecret7", "KEY TopSecret7", "KEY=TopSecret7", "KEY:TopSecret7: x", "KEY",
	"KEY: 12TopSecret7", "KEY: 0xTopSecret7", "KEY: ${TopSecret7", "KEY: ${a b TopSecret7}", "KEY: ${SECRET}", "KEY: 'x ${SECRET} y'", "KEY: ${NONE:-TopSecret7}",
	"KEY: https://u:TopSecret7@host", "KEY: https://host:TopSecret7", "KEY: tls://TopSecret7", "KEY: TopSecret7:x", "KEY: h:TopSecret7", "KEY: [::TopSecret7", "KEY: '[::TopSecret7'", "KEY: [\"h:1\", TopSecret7:]", "KEY: [\"a TopSecret7\"]",
	"KEY: \"TopSecret7\\\"\\n\"", "KEY: x\n    TopSecret7", "KEY: x\n      more:TopSecret7", "KEY: |\n    TopSecret7\n      x\n   y",
	"KEY: severity > TopSecret7", "KEY: actor.TopSecret7 == 'x'", "KEY: 'id == \"TopSecret7'", "KEY: \"id matches '(TopSecret7'\"", "KEY: \"TopSecret7(id)\"", "KEY: \"id + {TopSecret7: 1}\"",
}

// TestNoMessageShowsWhatAFileHolds makes each mistake with a secret in the lines of
// files, and reads the problems that are reported.
func TestNoMessageShowsWhatAFileHolds(t *testing.T) {
	told := 0
	for _, path := range []string{"testdata/full.yaml", "testdata/canary-secrets.yaml", "testdata/canary-prepare.yaml"} {
		eachSlip(t, path, func(broken string) { told += keepsTheSecret(t, broken) })
	}
	if told < 1_000/thinning() {
		t.Errorf("got %d broken files, want %d or more", told, 1_000/thinning())
	}
}

// TestNoMessageShowsWhatACatalogueHolds does the same with a catalogue file.
func TestNoMessageShowsWhatACatalogueHolds(t *testing.T) {
	path, told := filepath.Join(t.TempDir(), "catalogue.yaml"), 0
	eachSlip(t, "testdata/catalogue.yaml", func(broken string) {
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		told += keepsTheSecret(t, least+"catalogue: "+path+"\n")
	})
	if told < 200/thinning() {
		t.Errorf("got %d broken files, want %d or more", told, 200/thinning())
	}
}

// Each line gets one in everySlip of the slips. The next line gets others.
const everySlip = 11

// thinning is how many times fewer there are in a short run.
func thinning() int {
	if testing.Short() {
		return 5
	}
	return 1
}

// eachSlip calls broken with the text of a file that has a slip in one line.
func eachSlip(t *testing.T, path string, broken func(text string)) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	step := everySlip * thinning()
	for i, line := range lines {
		for j := i % step; j < len(slips); j += step {
			for _, text := range written(line, slips[j]) {
				broken(strings.Join(slices.Replace(slices.Clone(lines), i, i+1, text), "\n"))
			}
		}
	}
}

// written returns the line with the slip in place of its value, and with the slip on
// lines of its own below it.
func written(line, slip string) []string {
	key, _, _ := strings.Cut(line, ":")
	bare := strings.TrimLeft(strings.TrimPrefix(slip, "KEY"), ": ")
	indent := line[:len(line)-len(strings.TrimLeft(line, " -"))]
	return []string{
		strings.Replace(slip, "KEY", key, 1),
		line + "\n" + strings.Repeat(" ", len(indent)) + bare,
		line + "\n  " + strings.Repeat(" ", len(indent)) + bare,
		line + "\n" + bare,
	}
}

// keepsTheSecret fails the test if a message shows the canary. It returns 1 if there was
// a message.
func keepsTheSecret(t interface{ Fatalf(string, ...any) }, text string) int {
	_, err := config.Parse("sluice.yaml", []byte(text), kinds, env(map[string]string{"SECRET": canary, "TOKEN": "t", "MAX": "7"}))
	if err == nil {
		return 0
	}
	if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(canary)) {
		t.Fatalf("a secret in\n%s\nshows in\n%v", text, err)
	}
	return 1
}

// TestNoMessageShowsWhatARandomFileHolds joins secrets and YAML characters at random.
func TestNoMessageShowsWhatARandomFileHolds(t *testing.T) {
	words := []string{canary, canary, " ", "\n", "\n  ", "\n    ", ": ", ":", "- ", "\t", "\"", "'", "|", ">", "|-\n", "{", "}", "[", "]", ",", "#", "&", "*", "!", "%", "@", "`", "\\", "? ", "<<: ", "---\n", "...\n", "${", "${SECRET}", "$",
		"sources:\n  - name: ", "settings:\n", "type: planetscale\n", "service_token: ", "sinks:\n  - ", "type: kafka", "brokers: ", "where: ", "redact: {fields: [{field: ", "poll_interval: ", "admin: {listen: ", "catalogue: ", "é", "\r\n", "1", "true", "null"}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom(words), 1, 40).Draw(t, "parts")
		keepsTheSecret(t, strings.Join(parts, ""))
	})
}
