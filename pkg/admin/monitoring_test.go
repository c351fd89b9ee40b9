package admin_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sluice-siem/sluice/pkg/admin"
)

// alert is a rule in configs/prometheus/alerts.yaml.
type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(example(t, "prometheus/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("got no rule")
	}
	return all
}

func example(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../configs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// query is an expression and the text that shows its labels.
type query struct{ place, expr, text string }

// queries returns those of the alert rules and of the dashboard.
func queries(t *testing.T) []query {
	t.Helper()
	var all []query
	for _, a := range alerts(t) {
		all = append(all, query{a.Alert, a.Expr, strings.Join(slices.Collect(maps.Values(a.Annotations)), " ")})
	}
	var dashboard struct {
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(example(t, "grafana/dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	values := regexp.MustCompile(`^label_values\((.*), (.*)\)$`)
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			all = append(all, query{v.Name, values.ReplaceAllString(v.Definition, "sum by ($2) ($1)"), ""})
		}
	}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %s has no query", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, query{p.Title, target.Expr, target.LegendFormat})
		}
	}
	return all
}

// exposed returns the labels of each metric of /metrics, as Prometheus stores them.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	server := httptest.NewServer(admin.Handler(deps(busy(time.Now()))))
	defer server.Close()
	answer, err := http.Get(server.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{"up": {"job", "instance"}} // Prometheus adds it, and these labels to all
	for name, family := range families {
		labels := []string{"job", "instance"}
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		if family.GetType() != dto.MetricType_HISTOGRAM {
			metrics[name] = labels
			continue
		}
		metrics[name+"_count"], metrics[name+"_sum"], metrics[name+"_bucket"] = labels, labels, append(labels, "le")
	}
	return metrics
}

// The parts of an expression. A metric is a word that is not called and no keyword.
var (
	promSelector = regexp.MustCompile(`([a-z_:]+)\{([^}]*)\}`)
	promMatcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	promReplaced = regexp.MustCompile(`label_replace\(.*, "(\w+)", "[^"]*", "(\w+)", "[^"]*"\)`)
	promGrouping = regexp.MustCompile(`\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	promWindow   = regexp.MustCompile(`\[[^\]]*\]|\boffset \w+`)
	promText     = regexp.MustCompile(`"[^"]*"`)
	promWord     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\b(?:\s*\()?`)
	shownLabel   = regexp.MustCompile(`\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}|\$labels\.([a-z_]+)`)
)

// names returns the metrics of a query with the labels by which it selects each, and the
// other labels that some of them must have. Labels that the query makes are left out.
func names(q query) (metrics map[string][]string, labels []string) {
	metrics = map[string][]string{}
	for _, m := range promSelector.FindAllStringSubmatch(q.expr, -1) {
		for _, label := range promMatcher.FindAllStringSubmatch(m[2], -1) {
			metrics[m[1]] = append(metrics[m[1]], label[1])
		}
	}
	for _, m := range promGrouping.FindAllStringSubmatch(q.expr, -1) {
		labels = append(labels, strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	for _, m := range shownLabel.FindAllStringSubmatch(q.text, -1) {
		labels = append(labels, m[1]+m[2])
	}
	for _, m := range promReplaced.FindAllStringSubmatch(q.expr, -1) {
		labels = slices.DeleteFunc(append(labels, m[2]), func(l string) bool { return l == m[1] })
	}
	rest := promSelector.ReplaceAllString(q.expr, "$1")
	for _, part := range []*regexp.Regexp{promGrouping, promWindow, promText} {
		rest = part.ReplaceAllString(rest, " ")
	}
	keywords := []string{"and", "or", "unless", "bool", "Inf", "sum", "min", "max", "count"}
	for _, word := range promWord.FindAllString(rest, -1) {
		if !strings.HasSuffix(word, "(") && !slices.Contains(keywords, word) {
			metrics[word] = append(metrics[word], "job")
		}
	}
	return metrics, labels
}

// TestAlertsAndDashboardNameWhatExists fails if a metric or label is renamed and the
// examples are not.
func TestAlertsAndDashboardNameWhatExists(t *testing.T) {
	known := exposed(t)
	for _, q := range queries(t) {
		metrics, labels := names(q)
		if len(metrics) == 0 {
			t.Errorf("%s: %s names no metric", q.place, q.expr)
		}
		var all []string
		for metric, selected := range metrics {
			has, exists := known[metric]
			if !exists {
				t.Errorf("%s: /metrics has no metric %s", q.place, metric)
			}
			for _, label := range selected {
				if exists && !slices.Contains(has, label) {
					t.Errorf("%s: metric %s has no label %s", q.place, metric, label)
				}
			}
			all = append(all, has...)
		}
		for _, label := range labels {
			if !slices.Contains(all, label) {
				t.Errorf("%s: none of the metrics in %s has the label %s", q.place, q.expr, label)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		query
		metrics, labels string
	}{
		{query{expr: `up{job="sluice"} == 0`}, "up", ""},
		{query{expr: `a_total > 0 unless a_total offset 1h`}, "a_total", ""},
		{query{expr: `sum by (lane, class) (rate(b_total{lane=~"$source/$sink"}[$__rate_interval])) > 0`, text: "{{lane}}"}, "b_total", "class lane lane"},
		{query{expr: `absent(c{x="and {y}"}) and on (job) (time() - d < +Inf)`, text: "{{ $labels.z }} {{ $value | humanize }}"}, "c d", "job z"},
		{query{expr: `sum by (sink) (label_replace(rate(e[5m]), "sink", "$1", "lane", ".*/(.*)"))`, text: "{{sink}}"}, "e", "lane"},
	} {
		metrics, labels := names(c.query)
		slices.Sort(labels)
		if got := strings.Join(slices.Sorted(maps.Keys(metrics)), " "); got != c.metrics {
			t.Errorf("%s: got metrics %s, want %s", c.expr, got, c.metrics)
		}
		if got := strings.Join(labels, " "); got != c.labels {
			t.Errorf("%s: got labels %s, want %s", c.expr, got, c.labels)
		}
	}
}

func TestEachAlertSaysWhatToDo(t *testing.T) {
	tests := string(example(t, "prometheus/alerts_test.yaml"))
	command := regexp.MustCompile("`(sluice [a-z]|curl -s http://)[^`]+`")
	for _, a := range alerts(t) {
		if severity := a.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: got severity %q, want critical or warning", a.Alert, severity)
		}
		if !command.MatchString(a.Annotations["description"]) {
			t.Errorf("%s: the description names no command", a.Alert)
		}
		if a.Annotations["summary"] == "" {
			t.Errorf("%s: got no summary", a.Alert)
		}
		if !strings.Contains(tests, `alertname="`+a.Alert+`"`) {
			t.Errorf("%s: alerts_test.yaml does not let it fire", a.Alert)
		}
	}
}
