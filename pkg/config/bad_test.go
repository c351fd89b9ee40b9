package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-siem/sluice/pkg/config"
	"github.com/sluice-siem/sluice/pkg/internal/golden"
)

// badEnv is the environment in which the files of testdata/bad are read.
var badEnv = env(map[string]string{
	"EMPTY": "", "WORD": "word", "FIVE": "5", "MANY": "256",
	"INJECTION": "a b # c\nin_flight: -1", "TWICE": "${UNSET}",
})

func TestBadFilesTellEveryProblem(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got files %v, %v, want some", paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Parse("sluice.yaml", data, kinds, badEnv)
			var problems config.Errors
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("got %v, want problems", err)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret shows in:\n%s", got)
			}
			golden.Check(t, strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".yaml")+".want", got)
		})
	}
}
