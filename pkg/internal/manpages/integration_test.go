//go:build integration

package main

import (
	"os/exec"
	"strings"
	"testing"
)

// groff formats a page as man does, with all warnings and without bold or underlined text.
func TestGroffWarnsOfNothing(t *testing.T) {
	for name, page := range written(t) {
		cmd := exec.Command("groff", "-man", "-Tutf8", "-P-cbou", "-ww")
		cmd.Stdin = strings.NewReader(page)
		var warnings strings.Builder
		cmd.Stderr = &warnings
		shown, err := cmd.Output()
		if err != nil || warnings.Len() > 0 {
			t.Errorf("%s: %v\n%s", name, err, &warnings)
		}
		if !strings.Contains(string(shown), "NAME") {
			t.Errorf("%s shows no NAME:\n%s", name, shown)
		}
	}
}
