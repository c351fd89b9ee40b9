package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/setting"
)

// A former credential that works, and the warning about the changed one, survive a reload:
// of another lane, and of the own one. Another place never gets the former credential.
func TestAReloadKeepsTheFormerCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := filepath.Join(t.TempDir(), "token")
		put := func(value string) {
			if err := os.WriteFile(token, []byte(value), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put("former")
		text := func(url string, most int, other string) string {
			return fmt.Sprintf(`
sources:
  - {name: a, type: staged, settings: {token_file: %[1]s, url: %[2]s}}
sinks:
  - {name: one, type: staged, settings: {name: one, token_file: %[1]s, url: %[2]s, most: %[3]d}}
  - {name: two, type: staged, settings: {name: %[4]s}}
`, token, url, most, other)
		}
		r := newReloadRig(t, text("here", 0, "two"))
		rotations := func() []*setting.Rotation {
			cfg := r.fleet.now.Load()
			return []*setting.Rotation{cfg.Sources[0].Settings.(*props).Rotation(), cfg.Sinks[0].Settings.(*props).Rotation()}
		}
		for _, at := range rotations() {
			at.Accepted(zerolog.Nop(), "former")
			put("new")
			at.Refused(zerolog.Nop(), "new", "401")
		}
		for _, next := range []string{text("here", 0, "three"), text("here", 1<<20, "three")} {
			r.reloads(next)
			for i, at := range rotations() {
				if value, err := at.Value(); value != "former" || err != nil {
					t.Errorf("credential %d: %q, %v", i, value, err)
				}
			}
			for _, s := range r.fleet.set.Statuses() {
				if want := map[string]int{"a/one": 2, "a/two": 1}[s.Lane]; len(s.Refused) != want {
					t.Errorf("lane %s has the warnings %v, want %d", s.Lane, s.Refused, want)
				}
			}
		}
		r.reloads(text("there", 0, "three"))
		for i, at := range rotations() {
			if value, _ := at.Value(); value != "new" {
				t.Errorf("credential %d: another place gets %q", i, value)
			}
		}
	})
}
