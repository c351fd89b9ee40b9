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

// The time is over while a lane cannot open its reader; it is named, with the reason.
// A lane that is done is not, and neither is one whose process was told to stop.
func TestWhatIsLeftUndone(t *testing.T) {
	down := errors.New("the log moved")
	for _, test := range []struct {
		name  string
		limit time.Duration
		stop  time.Duration // 0: never
		want  string
	}{
		{"in time", time.Hour, 0, ""},
		{"too late", 30 * time.Second, 0, "--timeout 30s is over, and not all is done:\nlane a/one: publish: the log moved (retrying since "},
		{"told to stop before", time.Hour, time.Second, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				if test.want != "" || test.stop != 0 {
					s.fail("publish to one", down)
				}
				w := newWorks(t.Context(), s.config(t, staged), newInMemory(), zerolog.Nop())
				w.once = true
				lanes, names := w.lanes()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.stop != 0 {
					time.AfterFunc(test.stop, cancel)
				}
				err := endBy(ctx, test.limit, lanes, func(ctx context.Context) error { return w.state.run(ctx, lanes, names) })
				switch {
				case test.want == "" && err != nil:
					t.Errorf("got error %v, want none", err)
				case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "b/two")):
					t.Errorf("got error %v, want %q", err, test.want)
				}
				if err := w.close(); err != nil {
					t.Error(err)
				}
				s.wantClosed(t, 6)
			})
		})
	}
}

// Without a limit lanes are waited for, however long they take.
func TestWithoutALimitNothingIsLeftUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.fail("publish to one", errors.New("the log moved"))
		time.AfterFunc(time.Hour, func() { s.fail("publish to one", nil) })
		w := newWorks(t.Context(), s.config(t, staged), newInMemory(), zerolog.Nop())
		w.once = true
		lanes, names := w.lanes()
		began := time.Now()
		err := endBy(t.Context(), 0, lanes, func(ctx context.Context) error { return w.state.run(ctx, lanes, names) })
		if err := errors.Join(err, w.close()); err != nil {
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
