package app_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-siem/sluice/pkg/app"
)

// TestMain runs the tests or acts as the command: scripts run this binary again under the
// name sluice.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": func() { app.Main() }})
}
