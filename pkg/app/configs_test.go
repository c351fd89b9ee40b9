package app

import (
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/transform"
)

// TestExamplesLoad reads each file of configs as "sluice run -c" would, in an
// environment with the variables that it names and secrets where it expects them.
func TestExamplesLoad(t *testing.T) {
	two := token("ACME")
	maps.Copy(two, token("GLOBEX"))
	// vendorSecrets is an environment with these files of secrets, besides the source's.
	vendorSecrets := func(nameAndValue ...string) map[string]string {
		files := map[string]string{"planetscale_service_token": "token"}
		for pair := range slices.Chunk(nameAndValue, 2) {
			files[pair[0]] = pair[1]
		}
		return map[string]string{"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, files)}
	}
	examples := map[string]map[string]string{
		"sluice.yaml":    token("PLANETSCALE"),
		"stdout.yaml":    token("PLANETSCALE"),
		"file.yaml":      two,
		"directory.yaml": two,
		"kafka.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, map[string]string{
			"planetscale_service_token": "token", "kafka_password": "password", "kafka_ca.pem": authority(t),
		})},
		"splunk_hec.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, map[string]string{
			"planetscale_service_token": "token", "splunk_hec_token": "token", "splunk_ca.pem": authority(t),
		})},
		"http.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, map[string]string{
			"planetscale_service_token": "token", "ingest_key": "key", "collector_token": "token", "collector_ca.pem": authority(t),
		})},
		"elasticsearch.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "CA_FINGERPRINT": strings.Repeat("ab", 32), "SECRETS": secrets(t, map[string]string{
			"planetscale_service_token": "token", "elasticsearch_api_key": "key",
		})},
		"opensearch.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, map[string]string{
			"planetscale_service_token": "token", "opensearch_password": "password", "opensearch_ca.pem": authority(t),
		})},
		"s3.yaml":         {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, map[string]string{"planetscale_service_token": "token"})},
		"gcs.yaml":        vendorSecrets(),
		"azure_blob.yaml": vendorSecrets(),
		"syslog.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "SECRETS": secrets(t, map[string]string{
			"planetscale_service_token": "token", "syslog_ca.pem": authority(t),
		})},
		"datadog.yaml":   vendorSecrets("datadog_api_key", "key"),
		"sumo.yaml":      vendorSecrets("sumo_url", "https://collectors.sumologic.com/receiver/v1/http/x", "sumo_token", "token"),
		"panther.yaml":   vendorSecrets("panther_secret", "secret"),
		"slack.yaml":     vendorSecrets("slack_webhook_url", "https://hooks.slack.com/services/x"),
		"teams.yaml":     vendorSecrets("teams_webhook_url", "https://prod-00.westeurope.logic.azure.com/workflows/x"),
		"pagerduty.yaml": vendorSecrets("pagerduty_routing_key", "key"),
		"redact.yaml": {"PLANETSCALE_SERVICE_TOKEN_ID": "id", "PLANETSCALE_SERVICE_TOKEN": "token", "SECRETS": secrets(t, map[string]string{
			"redact_key": "0123456789abcdef0123456789abcdef",
		})},
		"compose.yaml":     sluiceEnvironment(t, nil),
		"replicas.yaml":    sluiceEnvironment(t, nil),
		"replicas-s3.yaml": token("PLANETSCALE"),
	}
	paths, err := filepath.Glob("../../configs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(paths), len(examples); got != want {
		t.Errorf("got %d files, want %d", got, want)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			vars, known := examples[filepath.Base(path)]
			if !known {
				t.Fatal("this test has no environment for it")
			}
			for name, value := range vars {
				t.Setenv(name, value)
			}
			if _, err := config.Load(path, kinds()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTheReferenceShowsDefaults compares configs/sluice.yaml with a file that has only
// the required keys.
func TestTheReferenceShowsDefaults(t *testing.T) {
	const least = `
sources:
  - name: acme
    type: planetscale
    settings:
      organization: acme
      service_token_id: ${PLANETSCALE_SERVICE_TOKEN_ID}
      service_token: ${PLANETSCALE_SERVICE_TOKEN}
sinks:
  - name: siem
    type: kafka
    settings:
      brokers: ["localhost:9092"]
      topic: planetscale.audit
`
	reference, err := os.ReadFile("../../configs/sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := parsed(t, string(reference), token("PLANETSCALE"))
	want := parsed(t, least, token("PLANETSCALE"))
	functions := cmpopts.IgnoreTypes(source.Type{}, sink.Type{}, transform.Format{})
	catalogue := cmp.Transformer("Catalogue", func(c *transform.Catalogue) transform.Action { return *c.Lookup("database.deleted") })
	if diff := cmp.Diff(want, got, functions, catalogue); diff != "" {
		t.Errorf("want the defaults (-), got (+):\n%s", diff)
	}
	if got, want := got.Sinks[0].Format.Name, want.Sinks[0].Format.Name; got != want {
		t.Errorf("got format %s, want %s", got, want)
	}
}

func parsed(t *testing.T, text string, vars map[string]string) *config.Config {
	t.Helper()
	c, err := config.Parse("sluice.yaml", []byte(text), kinds(), lookup(vars))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lookup(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, set := vars[name]
		return value, set
	}
}

func token(prefix string) map[string]string {
	return map[string]string{prefix + "_SERVICE_TOKEN_ID": "id", prefix + "_SERVICE_TOKEN": "token"}
}

// secrets makes a directory of files.
func secrets(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// authority is a certificate that signs itself, in PEM.
func authority(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// TestKubernetesExampleLoads reads the configuration in the ConfigMap as a pod
// would, and follows the names by which the objects refer to each other.
func TestKubernetesExampleLoads(t *testing.T) {
	var object struct {
		Kind string
		Data map[string]string
		Spec struct {
			Replicas int
			Template struct {
				Spec struct {
					Containers []struct {
						VolumeMounts []struct {
							Name     string
							ReadOnly bool `yaml:"readOnly"`
						} `yaml:"volumeMounts"`
					}
				}
			}
		}
	}
	kinds := map[string]bool{}
	for text := range strings.SplitSeq(read(t, "../../configs/kubernetes/sluice.yaml"), "\n---\n") {
		object.Data, object.Spec.Replicas = nil, 0
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		kinds[object.Kind] = true
		switch object.Kind {
		case "ConfigMap":
			vars := map[string]string{"PLANETSCALE_SERVICE_TOKEN_ID": "id"}
			config := strings.Replace(object.Data["sluice.yaml"], "/run/secrets/sluice", secrets(t, map[string]string{"service-token": "token"}), 1)
			if got := parsed(t, config, vars).State.Type; got != "kafka" {
				t.Errorf("got state %s, want kafka", got)
			}
		case "Deployment":
			if object.Spec.Replicas != 2 {
				t.Errorf("got %d replicas, want 2", object.Spec.Replicas)
			}
			for _, m := range object.Spec.Template.Spec.Containers[0].VolumeMounts {
				if !m.ReadOnly {
					t.Errorf("volume %s can be written", m.Name)
				}
			}
		}
	}
	if len(kinds) != 3 {
		t.Errorf("got %v, want three kinds of objects", kinds)
	}
}
