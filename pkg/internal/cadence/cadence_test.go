package cadence_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/cadence"
)

func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cadence.Cadence
		for i, step := range []struct {
			after time.Duration
			class string
			want  bool
		}{
			{0, "", true}, // the first time, whatever its class
			{time.Second, "", false},
			{0, "network", true},
			{5*time.Minute - 1, "network", false},
			{1, "network", true},
			{0, "", true},
		} {
			time.Sleep(step.after)
			if got := c.Due(step.class); got != step.want {
				t.Errorf("step %d: got %t, want %t", i, got, step.want)
			}
		}
	})
}
