package app

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/sink/elasticsearch/estest"
)

// assetsOf runs sluice assets install.
func assetsOf(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = execute(t.Context(), append([]string{"assets", "install"}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func TestAssetsInstall(t *testing.T) {
	es := estest.NewServer(estest.Config{User: "admin", Password: "correct-horse", APIKey: "writer-key"})
	server := httptest.NewServer(es)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	file, password := filepath.Join(dir, "sluice.yaml"), filepath.Join(dir, "password")
	for path, text := range map[string]string{
		password: "correct-horse\n",
		file: `
sources: [{name: acme, type: planetscale, settings: {organization: acme, access_token: token}}]
sinks:
  - {name: siem, type: elasticsearch, settings: {url: "` + server.URL + `", api_key: writer-key}}
  - {name: screen, type: stdout}
`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := "_index_template/logs-sluice.own"
	for _, step := range []struct {
		name string
		args []string
		want string // on each line that names an object
	}{
		{"a dry run", []string{"elasticsearch", "-c", file, "--sink", "siem", "--dry-run"}, "would be installed "},
		{"with the credential of flags", []string{"elasticsearch", "-c", file, "--sink", "siem", "--username", "admin", "--password-file", password}, "installed "},
		{"at an address", []string{"elasticsearch", "--url", server.URL, "--username", "admin", "--password-file", password}, "kept "},
	} {
		code, out := assetsOf(t, step.args...)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if code != 0 || len(lines) != 4 {
			t.Fatalf("%s: exit code %d: %s", step.name, code, out)
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, step.want) {
				t.Errorf("%s: %q, want %q", step.name, line, step.want)
			}
		}
		if installed := es.Object(own) != nil; installed == strings.HasPrefix(step.want, "would") {
			t.Errorf("%s: the template is there: %v", step.name, installed)
		}
	}

	es.Put(own, []byte(`{"index_patterns":["logs-*"]}`))
	for name, wrong := range map[string]struct {
		args []string
		code int
		want string
	}{
		"somebody else's template": {[]string{"elasticsearch", "-c", file, "--sink", "siem"}, 1, "--replace puts Sluice's in its place"},
		"another product":          {[]string{"opensearch", "-c", file, "--sink", "siem"}, 1, "run sluice assets install elasticsearch"},
		"another password":         {[]string{"elasticsearch", "--url", server.URL, "--username", "other", "--password-file", password}, 1, "unable to authenticate"},
		"no product":               {nil, 2, "accepts 1 arg"},
		"an unknown product":       {[]string{"solr"}, 2, `unknown product "solr"; known: elasticsearch, opensearch`},
		"no server":                {[]string{"elasticsearch"}, 2, "write -c FILE and --sink NAME, or --url URL"},
		"no sink":                  {[]string{"elasticsearch", "-c", file}, 2, "-c and --sink go together"},
		"two servers":              {[]string{"elasticsearch", "-c", file, "--sink", "siem", "--url", server.URL}, 2, "write one of them"},
		"another type":             {[]string{"elasticsearch", "-c", file, "--sink", "screen"}, 2, "sink screen is of type stdout"},
		"an unknown sink":          {[]string{"elasticsearch", "-c", file, "--sink", "x"}, 2, "known: siem"},
		"a file besides":           {[]string{"elasticsearch", "-c", file, "--sink", "siem", "--ca-file", "ca.pem"}, 2, "go with --url"},
		"no fingerprint":           {[]string{"elasticsearch", "--url", "https://es:9200", "--ca-fingerprint", "x"}, 2, "is not a fingerprint"},
		"plain http":               {[]string{"elasticsearch", "--url", "http://es:9200"}, 2, "in clear text"},
		"a user alone":             {[]string{"elasticsearch", "--url", "https://es:9200", "--username", "admin"}, 2, "password: missing"},
	} {
		code, out := assetsOf(t, wrong.args...)
		if code != wrong.code || !strings.Contains(out, wrong.want) {
			t.Errorf("%s: exit code %d, want %d and %q: %s", name, code, wrong.code, wrong.want, out)
		}
		if strings.Contains(out, "correct-horse") || strings.Contains(out, "writer-key") {
			t.Errorf("%s: a secret shows: %s", name, out)
		}
	}
	if code, out := assetsOf(t, "elasticsearch", "-c", file, "--sink", "siem", "--replace"); code != 0 || !strings.Contains(out, "replaced ") {
		t.Errorf("--replace: exit code %d: %s", code, out)
	}
}
