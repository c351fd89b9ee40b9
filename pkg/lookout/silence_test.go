package lookout_test

import (
	"context"
	"math/rand/v2"
	"os"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/lookout"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// outage is random: seldom, from a minute to three hours.
type outage struct{ left time.Duration }

func (o *outage) pass(d time.Duration, r *rand.Rand) (up bool) {
	if o.left -= d; o.left <= 0 && r.IntN(300) == 0 {
		o.left = time.Minute + time.Duration(r.IntN(180))*time.Minute
	}
	return o.left <= 0
}

// siem has the events that its lane delivered, and judges by the newest of them.
type siem struct {
	outage outage
	next   int       // of the events of the own log
	newest time.Time // time of an event
	silent time.Time // when Sluice last ran and could deliver
}

// windowOf reads the window of the rule from its page.
func windowOf(t *testing.T) time.Duration {
	t.Helper()
	page, err := os.ReadFile("../../docs/own-log.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`older than \*\*(\d+) minutes\*\*`).FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/own-log.md names no window")
	}
	window, err := time.ParseDuration(string(m[1]) + "m")
	if err != nil {
		t.Fatal(err)
	}
	return window
}

// TestSilenceIsNoticed runs a month in which the process and three sinks fail at random.
// While both are up a heartbeat arrives each 15 minutes. The documented rule notices
// whatever lasts longer than its window, and nothing that ends a heartbeat earlier.
func TestSilenceIsNoticed(t *testing.T) {
	const heartbeat, step = 15 * time.Minute, time.Minute
	window, days := windowOf(t), 30
	if testing.Short() {
		days = 3
	}
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		w := &world{}
		process, stop := outage{}, func() {}
		defer func() { stop() }()
		sinks := []*siem{{}, {}, {}}
		for _, s := range sinks {
			s.newest, s.silent = time.Now(), time.Now()
		}
		alarms, running := 0, false
		for range time.Duration(days) * 24 * time.Hour / step {
			up := process.pass(step, r)
			if up && !running {
				stop = watching(t.Context(), w, heartbeat)
			} else if !up && running {
				stop()
			}
			running = up
			pass(step)
			for i, s := range sinks {
				if s.outage.pass(step, r) && up {
					s.silent = time.Now()
					w.change(func() {
						for ; s.next < len(w.events); s.next++ {
							s.newest = w.events[s.next].Time
						}
					})
					if age := time.Since(s.newest); age > heartbeat+step {
						t.Fatalf("sink %d: nothing is wrong, and the newest event is %s old", i, age)
					}
				}
				alarm, silence := time.Since(s.newest) > window, time.Since(s.silent)
				if alarm {
					alarms++
				}
				if alarm && silence < window-heartbeat-step || !alarm && silence > window {
					t.Fatalf("sink %d: after %s of silence the alarm is %t", i, silence, alarm)
				}
			}
		}
		if alarms == 0 {
			t.Error("there was no alarm to judge by")
		}
	})
}

// watching runs a process that says that it started, until the function is called that it
// returns.
func watching(ctx context.Context, w *world, heartbeat time.Duration) (stop func()) {
	l := lookout.New(lookout.Settings{
		Log: w, Heartbeat: heartbeat, Logger: zerolog.Nop(),
		Lanes:   func() []pipeline.Status { return []pipeline.Status{ready("acme/siem")} },
		Sources: func() map[string]source.Usage { return nil },
	})
	l.LookEvery(10 * time.Second)
	l.Say(ownlog.New(ownlog.Started, ownlog.Party{Type: "process", Name: "sluice"}, "Sluice started."))
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}
