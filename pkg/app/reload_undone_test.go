package app

import (
	"testing"
	"testing/synctest"
	"time"
)

// A reloaded good file clears what a refused one left, also if it is the present one.
func TestAnUndoneChangeIsALoadedConfiguration(t *testing.T) {
	for _, by := range []string{"SIGHUP", "--watch"} {
		synctest.Test(t, func(t *testing.T) {
			r := newReloadRig(t, reloaded)
			r.write("sinks: 1")
			r.reload(t.Context(), by)
			if r.configuration().Refused == nil {
				t.Fatal("it was not refused")
			}
			r.write(reloaded)
			for range 2 { // looks
				time.Sleep(lookInterval)
				if by == "--watch" && r.due() {
					r.reload(t.Context(), by)
				}
			}
			if by == "SIGHUP" {
				r.reload(t.Context(), by)
			}
			if c := r.configuration(); c.Refused != nil || !c.RefusedAt.IsZero() {
				t.Errorf("by %s: %q at %v", by, c.Refused, c.RefusedAt)
			}
		})
	}
}
