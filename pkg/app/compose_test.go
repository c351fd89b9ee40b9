package app

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/sink/kafka"
	"github.com/sluice-siem/sluice/pkg/source/planetscale"
)

const composePath = "../../docker-compose.yml"

// service is the part of a service in docker-compose.yml that these tests need.
type service struct {
	Image       string   `yaml:"image"`
	Environment any      `yaml:"environment"`
	Ports       []string `yaml:"ports"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
}

func composeServices(t *testing.T) map[string]service {
	t.Helper()
	return servicesIn(t, composePath)
}

func servicesIn(t *testing.T, path string) map[string]service {
	t.Helper()
	var file struct {
		Services map[string]service `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(read(t, path)), &file); err != nil {
		t.Fatal(err)
	}
	return file.Services
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sluiceEnvironment returns the environment of the service sluice for a .env file.
func sluiceEnvironment(t *testing.T, dotEnv map[string]string) map[string]string {
	t.Helper()
	list, ok := composeServices(t)["sluice"].Environment.([]any)
	if !ok {
		t.Fatal("the service sluice has no list of variables")
	}
	vars := map[string]string{}
	for _, item := range list {
		name, value, _ := strings.Cut(interpolate(item.(string), dotEnv), "=")
		vars[name] = value
	}
	return vars
}

// interpolate replaces ${NAME:-default}, the only form that docker-compose.yml uses.
func interpolate(text string, dotEnv map[string]string) string {
	return os.Expand(text, func(reference string) string {
		name, otherwise, _ := strings.Cut(reference, ":-")
		if value := dotEnv[name]; value != "" {
			return value
		}
		return otherwise
	})
}

// followed is the part of a configuration that matters here.
type followed struct {
	URL, Organization, Topic, Dir string
	AllowHTTP                     bool
}

func TestComposeFollowsTheSimulatorUntilToldOtherwise(t *testing.T) {
	dotEnv := map[string]string{
		"PLANETSCALE_URL": "https://api.planetscale.com", "PLANETSCALE_ORGANIZATION": "acme",
		"PLANETSCALE_SERVICE_TOKEN_ID": "id", "PLANETSCALE_SERVICE_TOKEN": "token",
	}
	simulated := followed{
		URL: "http://simulator:8080", AllowHTTP: true, Organization: "simulated",
		Topic: "planetscale.simulated", Dir: "/var/lib/sluice/simulated",
	}
	tests := map[string]struct {
		dotEnv map[string]string
		want   followed
	}{
		"no .env":           {nil, simulated},
		"a .env left empty": {map[string]string{"PLANETSCALE_URL": "", "PLANETSCALE_ORGANIZATION": ""}, simulated},
		"the real API": {dotEnv, followed{
			URL: "https://api.planetscale.com", Organization: "acme",
			Topic: "planetscale.acme", Dir: "/var/lib/sluice/acme",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := parsed(t, read(t, "../../configs/compose.yaml"), sluiceEnvironment(t, test.dotEnv))
			from, to := c.Sources[0].Settings.(*planetscale.Settings), c.Sinks[0].Settings.(*kafka.Settings)
			got := followed{
				URL: from.URL, AllowHTTP: from.AllowHTTP, Organization: from.Organization,
				Topic: to.Topic, Dir: c.State.Dir,
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestComposeSendsNoTokenOverHTTPBeyondTheSimulator(t *testing.T) {
	vars := sluiceEnvironment(t, map[string]string{"PLANETSCALE_URL": "http://api.planetscale.com"})
	_, err := config.Parse("compose.yaml", []byte(read(t, "../../configs/compose.yaml")), kinds(), lookup(vars))
	if !errors.As(err, new(config.Errors)) || !strings.Contains(err.Error(), "clear text") {
		t.Errorf("got %v, want that the token would be sent in clear text", err)
	}
}

func TestTheExampleOfDotEnvNamesWhatComposeReads(t *testing.T) {
	names := func(pattern, text string) []string {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	example := read(t, "../../.env.example")
	got := names(`(?m)^#?([A-Z_]+)=`, example)
	want := names(`\$\{(PLANETSCALE_[A-Z_]+):-`, read(t, composePath))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want what docker-compose.yml reads (-), got (+):\n%s", diff)
	}
	// An unedited copy would otherwise request the simulator's log from the real API.
	if set := names(`(?m)^([A-Z_]+=.+)$`, example); len(set) > 0 {
		t.Errorf("an unedited copy sets %q, want nothing", set)
	}
}

func TestComposeGivesAwayNoMoreThanItMust(t *testing.T) {
	for name, s := range composeServices(t) {
		t.Run(name, func(t *testing.T) {
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					t.Errorf("port %s is published beyond this machine", port)
				}
			}
			if got, want := s.CapDrop, []string{"ALL"}; !slices.Equal(got, want) {
				t.Errorf("got cap_drop %v, want %v", got, want)
			}
			if got, want := s.SecurityOpt, []string{"no-new-privileges:true"}; !slices.Equal(got, want) {
				t.Errorf("got security_opt %v, want %v", got, want)
			}
			if ours := s.Image == ""; ours && !s.ReadOnly {
				t.Error("the root of a container of Sluice can be written to")
			}
		})
	}
}

// TestReplicasAreAlike compares the permissions and the environment of the two replicas.
func TestReplicasAreAlike(t *testing.T) {
	first := composeServices(t)["sluice"]
	second := servicesIn(t, "../../configs/replicas/docker-compose.yml")["sluice-2"]
	first.Ports, second.Ports = nil, nil
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("want sluice (-), got sluice-2 (+):\n%s", diff)
	}
}
