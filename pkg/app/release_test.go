package app

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/sluice-siem/sluice/pkg/config"
)

// TestOneVersion holds the version in every file against CHANGELOG.md, from which the
// packages and the release take it.
func TestOneVersion(t *testing.T) {
	found := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$`).FindStringSubmatch(read(t, "../../CHANGELOG.md"))
	if found == nil {
		t.Fatal("CHANGELOG.md names no release with its day")
	}
	want := found[1]
	out, err := exec.Command("../../configs/package/release").Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("packages have version %q, %v, want %s", got, err, want)
	}
	var chart struct {
		Version    string
		AppVersion string `yaml:"appVersion"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../configs/helm/sluice/Chart.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	if chart.Version != want || chart.AppVersion != want {
		t.Errorf("the chart has version %s and appVersion %s, want %s", chart.Version, chart.AppVersion, want)
	}
}

// TestChartConfigurationsLoad reads the configurations in the examples of the chart's values.
// A test in .ci/helm holds the chart's ConfigMap against them.
func TestChartConfigurationsLoad(t *testing.T) {
	paths := []string{"../../configs/helm/kafka.yaml", "../../configs/helm/splunk.yaml"}
	more, err := filepath.Glob("../../configs/helm/sluice/ci/*-values.yaml")
	if err != nil || len(more) < 2 {
		t.Fatalf("got %v, %v, want the examples of values", more, err)
	}
	paths = append(paths, more...)
	dir := secrets(t, map[string]string{"service-token": "token", "splunk-hec-token": "token"})
	for _, path := range paths {
		var values struct{ Config map[string]any }
		if err := yaml.Unmarshal([]byte(read(t, path)), &values); err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Marshal(values.Config)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "/run/secrets/sluice", dir))
		if _, err := config.Parse(path, text, kinds(), lookup(nil)); err != nil {
			t.Error(err)
		}
	}
}

// TestPackagedConfigurationLoads reads the file that the packages install, as the service
// does and as root does on the command line.
func TestPackagedConfigurationLoads(t *testing.T) {
	dir := secrets(t, map[string]string{"service_token": "token"})
	text := read(t, "../../configs/package/sluice.yaml")
	for name, test := range map[string]struct {
		text string
		vars map[string]string
	}{
		"service": {text, map[string]string{"CREDENTIALS_DIRECTORY": dir}},
		"root":    {strings.ReplaceAll(text, ":-/etc/sluice}", ":-"+dir+"}"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			parsed(t, test.text, test.vars)
		})
	}
}
