package app_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-siem/sluice/pkg/app"
)

// TestMain runs the tests, or is the command: scripts execute this binary again
// under the name of sluice.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": func() { app.Main() }})
}
