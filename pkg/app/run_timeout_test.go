package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// The timeout passes while a lane cannot open its reader. The error names that lane, with
// the reason, and no lane that is done. So it is if the process is told to stop before.
func TestWhatIsLeftUndone(t *testing.T) {
	down := errors.New("the log moved")
	for _, test := range []struct {
		name  string
		limit time.Duration
		stop  time.Duration // 0: never
		want  string
	}{
		{"in time", time.Hour, 0, ""},
		{"too late", 30 * time.Second, 0, "--timeout 30s has passed, and these lanes are not done:\nlane a/one: publish: the log moved (retrying since "},
		{"told to stop before", time.Hour, 30 * time.Second, "the run was ended, and these lanes are not done:\nlane a/one: publish: the log moved (retrying since "},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				if test.want != "" {
					s.fail("publish to one", down)
				}
				b := newBuilder(t.Context(), s.config(t, staged), newInMemory(), zerolog.Nop())
				b.once = true
				lanes := b.lanes()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.stop != 0 {
					time.AfterFunc(test.stop, cancel)
				}
				err := endBy(ctx, test.limit, lanes, func(ctx context.Context) error { return b.state.run(ctx, lanes) })
				switch {
				case test.want == "" && err != nil:
					t.Errorf("got error %v, want none", err)
				case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "b/two")):
					t.Errorf("got error %v, want %q", err, test.want)
				}
				if err := b.close(); err != nil {
					t.Error(err)
				}
				s.wantClosed(t, 6)
			})
		})
	}
}

// Without a timeout, the run waits for lanes however long they take.
func TestWithoutALimitNothingIsLeftUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.fail("publish to one", errors.New("the log moved"))
		time.AfterFunc(time.Hour, func() { s.fail("publish to one", nil) })
		b := newBuilder(t.Context(), s.config(t, staged), newInMemory(), zerolog.Nop())
		b.once = true
		lanes := b.lanes()
		began := time.Now()
		err := endBy(t.Context(), 0, lanes, func(ctx context.Context) error { return b.state.run(ctx, lanes) })
		if err := errors.Join(err, b.close()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Hour {
			t.Errorf("it ended after %s, before the sink took anything", took)
		}
		for _, l := range lanes.Statuses() {
			if !l.Done {
				t.Errorf("lane %s is not done", l.Lane)
			}
		}
	})
}
