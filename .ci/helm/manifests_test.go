// Package helm checks the chart under configs/helm and the manifests under
// configs/kubernetes: Helm renders the chart, and the types of Kubernetes decode every
// object, without a cluster.
package helm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/yaml"
)

const chart = "../../configs/helm/sluice"

// helm runs the binary that HELM names; by default the version in go.mod, which Go builds.
func helm(args ...string) (string, error) {
	command := []string{"go", "tool", "helm"}
	if built := os.Getenv("HELM"); built != "" {
		command = []string{built}
	}
	out, err := exec.Command(command[0], append(command[1:], args...)...).CombinedOutput()
	return string(out), err
}

// decode decodes the objects of a manifest. A field that the API of Kubernetes does not
// have, or a value of another type, is an error.
func decode(t *testing.T, manifest []byte) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apps.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme, monitoring.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var objects []runtime.Object
	for document := range bytes.SplitSeq(append([]byte("\n"), manifest...), []byte("\n---\n")) {
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

func kinds(objects []runtime.Object) []string {
	var names []string
	for _, o := range objects {
		names = append(names, o.GetObjectKind().GroupVersionKind().Kind)
	}
	slices.Sort(names)
	return names
}

// only returns the object of a type.
func only[T runtime.Object](t *testing.T, objects []runtime.Object) T {
	t.Helper()
	var found []T
	for _, o := range objects {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("got %d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

// render renders the chart with a file of values, after helm lint accepted it.
func render(t *testing.T, values string, more ...string) []runtime.Object {
	t.Helper()
	args := append([]string{chart, "-f", values}, more...)
	if out, err := helm(append([]string{"lint", "--strict"}, args...)...); err != nil {
		t.Fatalf("helm lint: %v\n%s", err, out)
	}
	out, err := helm(append([]string{"template", "sluice"}, args...)...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, out)
	}
	return decode(t, []byte(out))
}

// wantConfig checks that the ConfigMap holds the configuration of the values. A test of
// pkg/app checks that Sluice accepts it.
func wantConfig(t *testing.T, objects []runtime.Object, values string) {
	t.Helper()
	var want struct{ Config map[string]any }
	for _, path := range []string{filepath.Join(chart, "values.yaml"), values} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
	}
	var got map[string]any
	if err := yaml.Unmarshal([]byte(only[*core.ConfigMap](t, objects).Data["sluice.yaml"]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Config, got); diff != "" {
		t.Errorf("the configuration differs from the values (-):\n%s", diff)
	}
}

// TestTheLeastValuesNeedNoOperator renders the files that docs/kubernetes.md begins with.
func TestTheLeastValuesNeedNoOperator(t *testing.T) {
	for name, runs := range map[string]string{"kafka": "Deployment", "splunk": "StatefulSet"} {
		values := filepath.Join(chart, "..", name+".yaml")
		objects := render(t, values)
		if got := kinds(objects); !slices.Contains(got, runs) || slices.Contains(got, "PodMonitor") {
			t.Errorf("%s: got %v, want a %s and no PodMonitor", name, got, runs)
		}
		wantConfig(t, objects, values)
	}
}

func TestStateInKafkaIsADeployment(t *testing.T) {
	values := filepath.Join(chart, "ci/kafka-values.yaml")
	objects := render(t, values)
	if diff := cmp.Diff([]string{"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "ServiceAccount"}, kinds(objects)); diff != "" {
		t.Error(diff)
	}
	wantConfig(t, objects, values)
	got := only[*apps.Deployment](t, objects).Spec

	text, err := os.ReadFile("../../configs/kubernetes/sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plain := decode(t, text)
	want := only[*apps.Deployment](t, plain).Spec
	if diff := cmp.Diff(comparable(want.Template.Spec), comparable(got.Template.Spec)); diff != "" {
		t.Errorf("configs/kubernetes (-) and the chart run different pods:\n%s", diff)
	}
	if *got.Replicas != *want.Replicas {
		t.Errorf("got %d replicas, want %d", *got.Replicas, *want.Replicas)
	}
	budget := only[*policy.PodDisruptionBudget](t, objects).Spec
	budget.Selector = only[*policy.PodDisruptionBudget](t, plain).Spec.Selector
	if diff := cmp.Diff(only[*policy.PodDisruptionBudget](t, plain).Spec, budget); diff != "" {
		t.Errorf("configs/kubernetes (-) and the chart have different disruption budgets:\n%s", diff)
	}
}

// comparable leaves out what differs on purpose: names, labels, the image, and how the
// plain manifest takes the token's id from the Secret.
func comparable(pod core.PodSpec) core.PodSpec {
	pod.ServiceAccountName = ""
	pod.TopologySpreadConstraints[0].LabelSelector = nil
	pod.Containers[0].Image, pod.Containers[0].ImagePullPolicy = "", ""
	pod.Containers[0].Env = nil
	pod.Volumes[1].Secret.Items = nil
	return pod
}

func TestStateInFilesIsAStatefulSetOfOne(t *testing.T) {
	values := filepath.Join(chart, "ci/file-values.yaml")
	objects := render(t, values)
	if diff := cmp.Diff([]string{"ConfigMap", "NetworkPolicy", "PodMonitor", "ServiceAccount", "StatefulSet"}, kinds(objects)); diff != "" {
		t.Error(diff)
	}
	wantConfig(t, objects, values)
	set := only[*apps.StatefulSet](t, objects).Spec
	if *set.Replicas != 1 {
		t.Errorf("got %d replicas, want 1", *set.Replicas)
	}
	claim, container := set.VolumeClaimTemplates[0], set.Template.Spec.Containers[0]
	mount := slices.IndexFunc(container.VolumeMounts, func(m core.VolumeMount) bool { return m.Name == claim.Name })
	if mount < 0 || container.VolumeMounts[mount].MountPath != "/var/lib/sluice" {
		t.Errorf("got %v, want the volume %s at /var/lib/sluice", container.VolumeMounts, claim.Name)
	}
	if got := claim.Spec.Resources.Requests.Storage().String(); got != "5Gi" {
		t.Errorf("got a volume of %s, want 5Gi", got)
	}
	if got := container.Ports[0].ContainerPort; got != 9900 {
		t.Errorf("got port %d, want that of admin.listen", got)
	}
	if got := only[*networking.NetworkPolicy](t, objects).Spec.Egress; len(got) != 1 {
		t.Errorf("got %v, want the rule for outgoing connections", got)
	}
}

// TestTLSOfTheAdminServer checks that probes and Prometheus speak what the server speaks.
func TestTLSOfTheAdminServer(t *testing.T) {
	objects := render(t, filepath.Join(chart, "ci/kafka-values.yaml"),
		"--set", "config.admin.tls.cert_file=/run/secrets/sluice/tls.crt", "--set", "config.admin.tls.key_file=/run/secrets/sluice/tls.key",
		"--set", "podMonitor.tlsConfig.serverName=sluice.example.com")
	container := only[*apps.Deployment](t, objects).Spec.Template.Spec.Containers[0]
	for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe} {
		if got := probe.HTTPGet.Scheme; got != core.URISchemeHTTPS {
			t.Errorf("%s is asked with %q, want HTTPS", probe.HTTPGet.Path, got)
		}
	}
	endpoint := only[*monitoring.PodMonitor](t, objects).Spec.PodMetricsEndpoints[0]
	if endpoint.Scheme == nil || *endpoint.Scheme != "https" {
		t.Errorf("got scheme %v, want https", endpoint.Scheme)
	}
	if endpoint.TLSConfig == nil || *endpoint.TLSConfig.ServerName != "sluice.example.com" {
		t.Errorf("got %v, want the server's name", endpoint.TLSConfig)
	}
}

// TestRefusedValues shows what a person sees who gives values that cannot work.
func TestRefusedValues(t *testing.T) {
	valid := filepath.Join(chart, "ci/kafka-values.yaml")
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nothing configured":            {nil, "missing properties 'sources', 'sinks'"},
		"an unknown key":                {[]string{"-f", valid, "--set", "replicaCount=3"}, "additional properties 'replicaCount' not allowed"},
		"probes that cannot connect":    {[]string{"-f", valid, "--set", "config.admin.listen=127.0.0.1:9876"}, "'/config/admin/listen'"},
		"killed before it ends":         {[]string{"-f", valid, "--set", "config.shutdown_timeout=30s"}, "terminationGracePeriodSeconds (30) must be longer"},
		"a network policy for everyone": {[]string{"-f", valid, "--set-json", "networkPolicy.from=[]"}, "'/networkPolicy/from'"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := helm(append([]string{"template", "sluice", chart}, test.args...)...)
			if err == nil || !strings.Contains(out, test.want) {
				t.Errorf("got %v, %s\nwant an error with %s", err, out, test.want)
			}
		})
	}
}
