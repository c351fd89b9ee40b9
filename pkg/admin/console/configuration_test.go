package console_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/pipeline"
)

// A refused reload stands on the overview until it is mended.
func TestARefusedConfigurationIsShown(t *testing.T) {
	d := deps(pipeline.Status{Lane: "a/b", Source: "a", Sink: "b", Ready: true})
	var problems []string
	d.Refused = func() ([]string, time.Time) { return problems, time.Now() }
	if body := serve(t, d, "/").Body.String(); !strings.Contains(body, `id="configuration"`) || strings.Contains(body, "changed nothing") {
		t.Error("a configuration that was not refused is shown as if it was")
	}
	problems = strings.Split(strings.Repeat("sluice.yaml:7:1: <b>: unknown key\n", 7), "\n")[:7]
	body := serve(t, d, "/").Body.String()
	if strings.Count(body, "sluice.yaml:7:1: &lt;b&gt;: unknown key") != 5 || !strings.Contains(body, "2 more problems are in the log") {
		t.Errorf("the problems are not shown:\n%s", body)
	}
}
