package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Dead letters in a bucket cannot be redriven. The command says so, before it asks anybody,
// and what to do instead.
func TestDeadLettersInABucketAreNotRedriven(t *testing.T) {
	for name, text := range map[string]string{
		"of the sink":  "state: {settings: {dir: %}}\nsinks: [{name: archive, type: s3, settings: {bucket: audit, region: eu-central-1}}]\n",
		"of the state": "state: {type: s3, settings: {bucket: audit, region: eu-central-1}}\nsinks: [{name: archive, type: stdout}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "sluice.yaml")
			text := soundSources + strings.Replace(text, "%", filepath.Join(dir, "state"), 1)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var errs bytes.Buffer
			code := execute(t.Context(), []string{"deadletter", "redrive", "-c", file, "acme/archive"}, strings.NewReader(""), &bytes.Buffer{}, &errs)
			if code != 1 || !strings.Contains(errs.String(), "cannot be redriven") || !strings.Contains(errs.String(), "sluice replay") {
				t.Errorf("exit %d:\n%s", code, errs.String())
			}
		})
	}
}
