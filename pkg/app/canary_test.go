package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
)

// misplaced lists values that hold a secret in the wrong place.
var misplaced = []string{
	"TopSecret7", "\"TopSecret7\\n\"", "|TopSecret7", "> TopSecret7", "https://u:TopSecret7@host", "https://TopSecret7", "https://host:TopSecret7",
	"https://host/TopSecret7", "tls://TopSecret7", "tls://u:TopSecret7@h:1", "relp://h:TopSecret7", "h:TopSecret7", "'[::TopSecret7'", "'[TopSecret7'", "TopSecret7:x:y",
	"['TopSecret7:x:y']", "['u:TopSecret7@h:1']", "[TopSecret7]", "{TopSecret7: x}", "{mechanism: TopSecret7}", "{mechanism: PLAIN, username: TopSecret7}",
	"{ca_file: /TopSecret7}", "{cert_file: /TopSecret7, key_file: /TopSecret7}", "{mmdb: TopSecret7}", "[{field: TopSecret7, how: TopSecret7}]", "0TopSecret7", "5sTopSecret7", "${SECRET}", "'${SECRET}:x:y'", "/TopSecret7/x",
}

// TestNoMessageShowsWhatIsMisplaced writes a secret in place of each value of the
// examples, so every type of source, sink, format and state validates it. In a short run
// each place gets some of the values. The next place gets others.
func TestNoMessageShowsWhatIsMisplaced(t *testing.T) {
	t.Parallel()
	step, place := 1, 0
	if testing.Short() {
		step = 60
	}
	vars := lookup(map[string]string{"SECRET": "TopSecret7", "PLANETSCALE_SERVICE_TOKEN_ID": "id", "PLANETSCALE_SERVICE_TOKEN": "token"})
	paths, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %v, %v, want files", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(data), "\n")
		for i, line := range lines {
			key, _, ok := strings.Cut(strings.Replace(line, "# ", "", 1), ": ")
			if !ok || strings.HasPrefix(line, "#") {
				continue
			}
			place++
			for j := place % step; j < len(misplaced); j += step {
				value := misplaced[j]
				text := strings.Join(slices.Replace(slices.Clone(lines), i, i+1, key+": "+value), "\n")
				_, err := config.Parse("sluice.yaml", []byte(text), kinds(), vars)
				if err != nil && strings.Contains(strings.ToLower(err.Error()), "topsecret7") {
					t.Errorf("%s: %s: %s shows in\n%v", filepath.Base(path), key, value, err)
				}
			}
		}
	}
}
