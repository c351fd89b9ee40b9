package standoff_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-siem/sluice/pkg/internal/standoff"
)

// fence holds the lane for a while, and returns how long the lane must then pause.
func fence(p *standoff.Pause, held time.Duration) time.Duration {
	p.Held()
	<-time.After(held)
	return p.Next()
}

func TestPauseOfTwoThatFenceEachOtherGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p standoff.Pause
		for n, floor := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			floor *= time.Minute
			if got := fence(&p, time.Second); got < floor || got > floor*3/2 {
				t.Errorf("after being fenced %d times: got %s, want %s to half as much again", n+1, got, floor)
			}
		}
	})
}

func TestPauseStartsAnewAfterTheLaneWasHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p standoff.Pause
		for range 3 {
			fence(&p, time.Second)
		}
		if got := fence(&p, 4*4*time.Minute); got < 8*time.Minute {
			t.Errorf("held for four times the pause: got %s, want it to grow", got)
		}
		if got := fence(&p, 4*8*time.Minute+1); got >= 2*time.Minute {
			t.Errorf("held for longer: got %s, want a minute", got)
		}
	})
}
