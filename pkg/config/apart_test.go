package config_test

import (
	"fmt"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
)

// A sink may write beside the state, but not to its files, however its directory is written.
func TestASinkLeavesTheStateAlone(t *testing.T) {
	for path, allowed := range map[string]bool{
		"/state/audit.ndjson": true, "/state/locks": true, "/state/sub/lock": true, "/state/audit.json": true, "/other/acme+f.json": true, "/letters/audit.log": true,
		"/state/lock": false, "/state/acme+f.json": false, "/state/a.json.12.tmp": false,
		"/letters/lock": false, "/letters/audit.ndjson": false, "/letters/acme+f.ndjson.redrive": false,
	} {
		text := fmt.Sprintf(`
sources: [{name: acme, type: planetscale, settings: {organization: acme, service_token: t}}]
sinks: [{name: f, type: file, settings: {path: %s}}]
state: {settings: {dir: /state/../state/}}
dead_letters: {dir: /letters}
`, path)
		_, err := config.Parse("sluice.yaml", []byte(text), kinds, func(string) (string, bool) { return "", false })
		if (err == nil) != allowed {
			t.Errorf("%s: got error %v, want allowed: %t", path, err, allowed)
		}
	}
}
