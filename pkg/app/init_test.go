package app

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// begin runs sluice init in an empty directory with these answers.
func begin(t *testing.T, answers ...string) (dir string, code int, out string) {
	t.Helper()
	dir = t.TempDir()
	var stdout, stderr bytes.Buffer
	stdin := strings.NewReader(strings.Join(answers, "\n") + "\n")
	code = execute(t.Context(), []string{"init", "-c", filepath.Join(dir, "sluice.yaml")}, stdin, &stdout, &stderr)
	return dir, code, stdout.String() + stderr.String()
}

// For each type of sink there are questions enough that check accepts the answers.
func TestInitWritesWhatLoads(t *testing.T) {
	answers := map[string][]string{
		"stdout": nil, "file": {""}, "kafka": {"a:9092,b:9092", "audit"}, "s3": {"acme-audit", "eu-central-1"},
		"gcs": {"acme-audit"}, "azure_blob": {"acmeaudit", "audit"},
		"splunk_hec": {"https://splunk:8088", "11111111-2222-3333-4444-555555555555"}, "syslog": {"relp://siem:2514"},
		"elasticsearch": {"https://es:9200", "key"},
		"http":          {"https://collector.example.com/events"},
		"datadog":       {"datadoghq.eu", "key"}, "sumo": {"https://collectors.sumologic.com/receiver/v1/http/x"},
		"panther": {"https://logs.example.runpanther.net/http/x", "X-Api-Key", "secret"}, "slack": {"https://hooks.slack.com/services/x"},
		"teams": {"https://prod-00.westeurope.logic.azure.com/workflows/x"}, "pagerduty": {"key"},
	}
	for _, k := range kinds().Sinks {
		t.Run(k.Name, func(t *testing.T) {
			if _, known := answers[k.Name]; !known {
				t.Fatalf("the test has no answers for %s", k.Name)
			}
			const secret = "pscale_tkn_$x"
			dir, code, out := begin(t, append([]string{"acme", "id", secret, k.Name}, answers[k.Name]...)...)
			if code != 0 || !strings.Contains(out, "sluice check -c ") {
				t.Fatalf("got exit code %d: %s", code, out)
			}
			if text := read(t, filepath.Join(dir, "sluice.yaml")); strings.Contains(text, secret) || strings.Contains(out, secret) {
				t.Errorf("the secret is in %s or in %s", text, out)
			}
			kept := filepath.Join(dir, "planetscale_service_token")
			if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 || read(t, kept) != secret+"\n" {
				t.Errorf("got %v, %v: want the secret in a file for its owner only", info, err)
			}
		})
	}
}

// Answers that make no configuration, and a file that exists, change nothing.
func TestInitLeavesNothingBehind(t *testing.T) {
	for name, c := range map[string]struct {
		answers []string
		code    int
		want    string
	}{
		"an organization that is none": {[]string{"acme/co"}, 1, "organization: "},
		"no such sink":                 {[]string{"acme", "id", "token", "elastic"}, 1, `"elastic" is none of stdout, file`},
		"answers that end":             {[]string{"acme"}, 1, "no answer to "},
	} {
		t.Run(name, func(t *testing.T) {
			dir, code, out := begin(t, c.answers...)
			left, err := os.ReadDir(dir)
			if code != c.code || !strings.Contains(out, c.want) || err != nil || len(left) > 0 {
				t.Errorf("got exit code %d, %v left, %v: %s", code, left, err, out)
			}
		})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := execute(t.Context(), []string{"init", "-c", path}, strings.NewReader(""), &out, &out); code != 2 || !strings.Contains(out.String(), "exists; name another file") {
		t.Errorf("got exit code %d: %s", code, &out)
	}
	if got := read(t, path); got != "mine" {
		t.Errorf("the file is now %q", got)
	}
}

// A mistake costs one answer, not all.
func TestInitAsksAgain(t *testing.T) {
	dir, code, out := begin(t, "acme/co", "acme", "a:b", "id", "two words", "token", "elastic", "kafka", "nowhere:port", "a:9092", "audit")
	if code != 0 {
		t.Fatalf("got exit code %d: %s", code, out)
	}
	for _, want := range []string{
		"organization: ", "service_token_id: is not the id of a token", "service_token: has a blank in it",
		`"elastic" is none of stdout, file`, "brokers: ",
	} {
		if strings.Count(out, want) != 1 {
			t.Errorf("%q is not there once: %s", want, out)
		}
	}
	if got := read(t, filepath.Join(dir, "planetscale_service_token")); got != "token\n" {
		t.Errorf("the file of the token has %q", got)
	}
}

// A person who interrupts a command that waits for input gets the shell back.
func TestWaitingForInputIsInterrupted(t *testing.T) {
	for _, args := range [][]string{{"init", "-c", filepath.Join(t.TempDir(), "sluice.yaml")}, {"map"}} {
		t.Run(args[0], func(t *testing.T) {
			silent, typing := io.Pipe()
			defer typing.Close()
			ctx, interrupt := context.WithCancel(t.Context())
			var out bytes.Buffer
			code := make(chan int)
			go func() { code <- execute(ctx, args, silent, &out, &out) }()
			if _, err := typing.Write([]byte("\n")); err != nil { // Now the command waits for more.
				t.Fatal(err)
			}
			interrupt()
			if got := <-code; got != 1 || !strings.Contains(out.String(), "context canceled") {
				t.Errorf("got exit code %d: %s", got, &out)
			}
		})
	}
}

// Nothing in a path is expanded.
func TestInitInADirectoryWithADollar(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a$HOME")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	stdin := strings.NewReader("acme\nid\ntoken\nfile\n\n")
	if code := execute(t.Context(), []string{"init", "-c", filepath.Join(dir, "sluice.yaml")}, stdin, &out, &out); code != 0 {
		t.Errorf("got exit code %d: %s", code, &out)
	}
}
