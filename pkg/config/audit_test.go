package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-siem/sluice/pkg/config"
)

func TestAudit(t *testing.T) {
	for text, every := range map[string]time.Duration{"": 0, "audit: {}": 24 * time.Hour, "audit: {every: 1h}": time.Hour, "audit: {every: 168h}": 168 * time.Hour} {
		if got := parse(t, least+text, nil).AuditEvery; got != every {
			t.Errorf("%s: got %s, want %s", text, got, every)
		}
	}
	const problem = "audit.every: is less than 1h0m0s; write a duration such as 24h, or remove audit for no audits"
	for _, every := range []string{"59m", "0"} {
		_, err := config.Parse("sluice.yaml", []byte(least+"audit: {every: "+every+"}"), kinds, env(nil))
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: got %v, want: %s", every, err, problem)
		}
	}
}
