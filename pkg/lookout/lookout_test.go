package lookout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/sluice-siem/sluice/pkg/lookout"
	"github.com/sluice-siem/sluice/pkg/pipeline"
	"github.com/sluice-siem/sluice/pkg/source"
	"github.com/sluice-siem/sluice/pkg/source/ownlog"
)

// world is what a lookout sees, and the own log.
type world struct {
	mu       sync.Mutex
	lanes    []pipeline.Status
	sources  map[string]source.Usage
	expiries []lookout.Expiry
	down     error // what Append returns; nil if it takes events
	unfit    ownlog.Action
	events   []ownlog.Event
	log      strings.Builder
}

func (w *world) Append(_ context.Context, e ownlog.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Action == w.unfit {
		return fmt.Errorf("%w: it is too large", ownlog.ErrUnfit)
	}
	if w.down == nil {
		w.events = append(w.events, e)
	}
	return w.down
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// taken returns the events since the last call, each as its action, its subject and the
// seconds since the test began.
func (w *world) taken(began time.Time) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		list = append(list, fmt.Sprintf("%s %s at %d", strings.TrimPrefix(string(e.Action), "sluice."), e.Subject.Name, int(e.Time.Sub(began).Seconds())))
	}
	w.events = nil
	return list
}

// run calls f in a bubble in which a lookout watches the world.
func run(t *testing.T, heartbeat time.Duration, f func(w *world, l *lookout.Lookout)) {
	runSlowly(t, time.Second, heartbeat, f)
}

// runSlowly is run with a lookout that looks less often.
func runSlowly(t *testing.T, every, heartbeat time.Duration, f func(w *world, l *lookout.Lookout)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{sources: map[string]source.Usage{}}
		l := lookout.New(lookout.Settings{
			Log: w, Heartbeat: heartbeat, Logger: zerolog.New(&w.log),
			Lanes: func() []pipeline.Status {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.lanes
			},
			Sources: func() map[string]source.Usage {
				w.mu.Lock()
				defer w.mu.Unlock()
				return map[string]source.Usage{"acme": w.sources["acme"]}
			},
			Expiries: func() []lookout.Expiry {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.expiries
			},
		})
		l.LookEvery(every)
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		f(w, l)
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pass lets time pass, and the lookout do what is due then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func ready(name string) pipeline.Status {
	from, to, _ := strings.Cut(name, "/")
	return pipeline.Status{Lane: name, Source: from, Sink: to, Ready: true}
}

func troubled(name string, t pipeline.Trouble) pipeline.Status {
	s := ready(name)
	s.Ready, s.Reason, s.Troubles = false, t.String(), []pipeline.Trouble{t}
	return s
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestALaneThatIsNotReady(t *testing.T) {
	run(t, 0, func(w *world, _ *lookout.Lookout) {
		began := time.Now()
		set := func(s ...pipeline.Status) { w.change(func() { w.lanes = s }) }
		down := troubled("acme/siem", pipeline.Trouble{Operation: "publish", Err: "connection refused"})
		set(ready("acme/siem"), ready("acme/archive"))
		pass(10 * time.Second)
		set(down, ready("acme/archive"))
		pass(59 * time.Second)
		set(ready("acme/siem"), ready("acme/archive"))
		pass(time.Hour)
		want(t, w.taken(began)) // a blip

		set(down, ready("acme/archive"))
		pass(2 * time.Hour)
		want(t, w.taken(began), "lane_unready acme/siem at 3730")
		set(ready("acme/siem"), ready("acme/archive"))
		pass(time.Hour)
		want(t, w.taken(began), "lane_ready acme/siem at 10930")

		// A lane that a reload replaced is ready until it fails first.
		set(down)
		pass(10 * time.Minute)
		want(t, w.taken(began), "lane_unready acme/siem at 14530")
		for range 10 {
			set(ready("acme/siem"))
			pass(50 * time.Second)
			set(down)
			pass(10 * time.Second)
		}
		want(t, w.taken(began))
		paused := ready("acme/siem")
		paused.Ready, paused.Paused = false, &pipeline.Pause{Since: began}
		set(paused)
		pass(time.Hour)
		want(t, w.taken(began)) // It may still be unable to deliver.
		set(ready("acme/siem"))
		pass(2 * time.Minute)
		w.change(func() {
			if len(w.events) != 1 || w.events[0].Details["unready_seconds"] != int64(4800) {
				t.Errorf("got %+v, want 4800 seconds, until it was ready", w.events)
			}
		})
		want(t, w.taken(began), "lane_ready acme/siem at 19330")

		elsewhere := down
		elsewhere.Elsewhere = true
		set(elsewhere)
		pass(time.Hour)
		done := down
		done.Done = true // by --once
		set(done)
		pass(time.Hour)
		want(t, w.taken(began))
	})
}

func TestTheReasonOfALane(t *testing.T) {
	run(t, 0, func(w *world, _ *lookout.Lookout) {
		since := time.Now().Add(-time.Hour)
		w.change(func() {
			w.lanes = []pipeline.Status{troubled("acme/siem", pipeline.Trouble{Operation: "publish", Err: strings.Repeat("é", 4000), Since: since})}
		})
		pass(2 * time.Second)
		var said []ownlog.Event
		w.change(func() { said = w.events })
		if len(said) != 1 {
			t.Fatalf("got %d events", len(said))
		}
		e := said[0]
		if text := e.Details["reason"].(string); len(text) > 1010 || !strings.HasPrefix(text, "publish: é") || strings.Contains(text, "\ufffd") {
			t.Errorf("got a reason of %d bytes: %.40s", len(text), text)
		}
		if got := e.Details["since"]; got != since.UTC().Format(time.RFC3339) {
			t.Errorf("got since %v, want %v, when its trouble began", got, since)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	run(t, 0, func(w *world, _ *lookout.Lookout) {
		began := time.Now()
		counts := func() (list []any) {
			w.change(func() {
				for _, e := range w.events {
					list = append(list, e.Details["count"])
				}
			})
			return list
		}
		reject := func(name string, n uint64) {
			w.change(func() {
				s := ready(name)
				s.Rejected = n
				w.lanes = []pipeline.Status{s}
			})
		}
		for n := range uint64(90) { // one each second
			reject("acme/siem", n+1)
			pass(time.Second)
		}
		pass(time.Minute)
		w.change(func() {
			for i, text := range []string{"Lane acme/siem has 1 new dead letter: sluice deadletter list shows the reason.", "Lane acme/siem has 60 new dead letters: sluice deadletter list shows the reasons."} {
				if w.events[i].Text != text {
					t.Errorf("got %q, want %q", w.events[i].Text, text)
				}
			}
		})
		if diff := cmp.Diff([]any{uint64(1), uint64(60), uint64(29)}, counts()); diff != "" {
			t.Errorf("want at most one event a minute, and all counted; want (-), got (+):\n%s", diff)
		}
		want(t, w.taken(began), "dead_letters acme/siem at 1", "dead_letters acme/siem at 61", "dead_letters acme/siem at 121")

		// Each event about the own lane becomes a dead letter of it.
		for n := range uint64(3 * 3600) {
			reject("sluice/siem", n+1)
			pass(time.Second)
		}
		if got := w.taken(began); len(got) != 3 {
			t.Errorf("in three hours the own lane said %q, want one an hour", got)
		}
	})
}

func TestCredentials(t *testing.T) {
	refused := func(lane, operation string) pipeline.Status {
		return troubled(lane, pipeline.Trouble{Operation: operation, Err: "status 403", Refused: true})
	}
	run(t, 0, func(w *world, _ *lookout.Lookout) {
		began := time.Now()
		set := func(s ...pipeline.Status) {
			w.change(func() { w.lanes = s })
			pass(10 * time.Second)
		}
		set(refused("acme/siem", "read"), refused("acme/archive", "read"), refused("beta/splunk", "publish"))
		set(refused("acme/siem", "read"), troubled("acme/archive", pipeline.Trouble{Operation: "read", Err: "no network"}), refused("beta/splunk", "publish"))
		want(t, w.taken(began), "credential_refused acme at 1", "credential_refused splunk at 1")
		set(ready("acme/siem"), refused("beta/splunk", "publish"))
		set(refused("acme/siem", "read"), refused("beta/splunk", "publish"))
		want(t, w.taken(began), "credential_refused acme at 31")

		// A lane that is ready since it has nothing to publish proves nothing.
		set(ready("acme/splunk"), refused("beta/splunk", "publish"))
		want(t, w.taken(began))

		// The former credentials still work.
		still := ready("acme/siem")
		still.Refused = []pipeline.Trouble{{Operation: "read", Err: "status 401", Refused: true}}
		set(ready("acme/siem"), ready("beta/splunk"))
		began = time.Now()
		set(still, ready("beta/splunk"))
		set(still, ready("beta/splunk"))
		set(ready("acme/siem"), ready("beta/splunk"))
		set(still, ready("beta/splunk"))
		want(t, w.taken(began), "credential_refused acme at 1", "credential_refused acme at 31")
	})
}

// TestAnEventThatCanNeverBeWritten wants that it is logged once and holds nothing up.
func TestAnEventThatCanNeverBeWritten(t *testing.T) {
	run(t, 0, func(w *world, l *lookout.Lookout) {
		began := time.Now()
		w.change(func() { w.unfit = ownlog.ConfigurationRefused })
		for _, a := range []ownlog.Action{ownlog.Started, ownlog.ConfigurationRefused, ownlog.Stopped} {
			l.Say(ownlog.New(a, ownlog.Party{Name: "sluice"}, "Something happened."))
		}
		pass(time.Hour)
		want(t, w.taken(began), "started sluice at 0", "stopped sluice at 0")
		if log := w.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `"level":"error"`) || !strings.Contains(log, "Something happened.") {
			t.Errorf("got the log\n%s", log)
		}
	})
}

func TestAHeartbeatCountsPauses(t *testing.T) {
	run(t, 15*time.Minute, func(w *world, _ *lookout.Lookout) {
		paused := ready("acme/siem")
		paused.Ready, paused.Paused = false, &pipeline.Pause{}
		late := troubled("acme/bus", pipeline.Trouble{Operation: "paused for too long"})
		late.Paused = &pipeline.Pause{}
		w.change(func() { w.lanes = []pipeline.Status{ready("acme/archive"), paused, late} })
		pass(15*time.Minute + time.Second)
		w.change(func() {
			e := w.events[len(w.events)-1]
			if e.Action != ownlog.Heartbeat || e.Details["ready"] != 1 || e.Details["paused"] != 1 || e.Details["not_ready"] != 1 {
				t.Errorf("got %+v, want one lane of each kind", e)
			}
			if want := "Sluice runs: 1 of 3 lanes are ready, and 1 paused."; e.Text != want {
				t.Errorf("got %q, want %q", e.Text, want)
			}
			states, err := json.Marshal(e.Details["states"])
			if err != nil {
				t.Fatal(err)
			}
			if order := regexp.MustCompile(`acme/(bus|siem|archive)`).FindAllString(string(states), -1); fmt.Sprint(order) != "[acme/bus acme/siem acme/archive]" {
				t.Errorf("got the lanes %q, want first what needs attention", order)
			}
		})
	})
}

func TestAPauseThatIsWantedIsNoFailure(t *testing.T) {
	run(t, 0, func(w *world, _ *lookout.Lookout) {
		began := time.Now()
		s := ready("acme/siem")
		s.Ready, s.Paused = false, &pipeline.Pause{Since: began}
		w.change(func() { w.lanes = []pipeline.Status{s} })
		pass(time.Hour)
		want(t, w.taken(began))
		s.Troubles = []pipeline.Trouble{{Operation: "paused for too long"}}
		w.change(func() { w.lanes = []pipeline.Status{s} })
		pass(time.Hour)
		want(t, w.taken(began), "lane_unready acme/siem at 3661")
	})
}

func TestCredentialsThatExpire(t *testing.T) {
	runSlowly(t, time.Minute, 0, func(w *world, _ *lookout.Lookout) {
		began := time.Now()
		of := ownlog.Party{Type: "sink", Name: "siem"}
		w.change(func() {
			w.expiries = []lookout.Expiry{
				{Subject: of, What: "tls.cert_file a.pem", End: began.Add(15*24*time.Hour + time.Hour)},
				{Subject: of, What: "tls.cert_file b.pem", End: began.Add(100 * 24 * time.Hour)},
			}
		})
		pass(25 * time.Hour)
		want(t, w.taken(began))
		pass(15 * 24 * time.Hour)
		if got := w.taken(began); len(got) != 15 {
			t.Errorf("got %d events in the last 14 days and one day after, want one a day: %q", len(got), got)
		}
	})
}

func TestClocks(t *testing.T) {
	run(t, 0, func(w *world, _ *lookout.Lookout) {
		began := time.Now()
		for range 3600 { // It disagrees every other second.
			w.change(func() { w.sources["acme"] = source.Usage{ClockSkew: 90 * time.Second} })
			pass(time.Second)
			w.change(func() { w.sources["acme"] = source.Usage{} })
			pass(time.Second)
		}
		if got := w.taken(began); len(got) > 2 {
			t.Errorf("got %q, want one an hour at most", got)
		}
	})
}

// TestAnOwnLogThatTakesNothing wants that what is said meanwhile is written later, in its
// order and with its time, and one heartbeat only.
func TestAnOwnLogThatTakesNothing(t *testing.T) {
	run(t, 15*time.Minute, func(w *world, l *lookout.Lookout) {
		began := time.Now()
		w.change(func() {
			w.down = errors.New("disk is full")
			w.lanes = []pipeline.Status{troubled("acme/siem", pipeline.Trouble{Operation: "publish"})}
		})
		l.Say(ownlog.New(ownlog.Started, ownlog.Party{Type: "process", Name: "sluice"}, "Sluice started."))
		pass(2 * time.Hour)
		w.change(func() { w.lanes = []pipeline.Status{ready("acme/siem")} })
		pass(2 * time.Minute)
		if lines := strings.Count(w.log.String(), "writing to the own log failed"); lines > 26 {
			t.Errorf("got %d lines in two hours, want one each five minutes", lines)
		}
		w.change(func() { w.down = nil })
		pass(10 * time.Second)
		want(t, w.taken(began), "started sluice at 0", "lane_unready acme/siem at 61", "heartbeat sluice at 900", "lane_ready acme/siem at 7261")
		if !strings.Contains(w.log.String(), "recovered") {
			t.Errorf("got the log\n%s", w.log.String())
		}
		w.change(func() { w.down = errors.New("disk is full") })
		said := 0
		for l.Say(ownlog.New(ownlog.PositionSet, ownlog.Party{}, "")) {
			if said++; said > 5000 {
				t.Fatal("what waits has no bound")
			}
		}
	})
}

// TestAHeartbeatOfManyLanes wants one that fits into a record of any sink, and that shows
// what needs attention.
func TestAHeartbeatOfManyLanes(t *testing.T) {
	runSlowly(t, 10*time.Second, 15*time.Minute, func(w *world, _ *lookout.Lookout) {
		var lanes []pipeline.Status
		for i := range 3000 {
			s := ready(fmt.Sprintf("source-%04d/%s", i, strings.Repeat("s", 64)))
			s.Published, s.Read = 10, 10
			if i%100 == 7 {
				s = troubled(s.Lane, pipeline.Trouble{Operation: "publish", Err: strings.Repeat("no route to host ", 100)})
			}
			s.Lag = time.Duration(i) * time.Second
			lanes = append(lanes, s)
		}
		w.change(func() { w.lanes = lanes })
		pass(16 * time.Minute)
		var beat ownlog.Event
		for _, e := range w.events {
			if e.Action == ownlog.Heartbeat {
				beat = e
			}
		}
		line, err := json.Marshal(beat)
		if err != nil || len(line) > 8<<10 {
			t.Errorf("got %d bytes, %v, want at most 8 KiB", len(line), err)
		}
		var seen struct {
			Details struct {
				Lanes, Ready, Published int
				NotReady                int `json:"not_ready"`
				Longest                 int `json:"longest_lag_seconds"`
				LeftOut                 int `json:"states_left_out"`
				States                  []struct {
					Lane  string
					Ready bool
				}
			}
		}
		if err := json.Unmarshal(line, &seen); err != nil {
			t.Fatal(err)
		}
		d := seen.Details
		if d.Lanes != 3000 || d.Ready != 2970 || d.NotReady != 30 || d.Published != 29700 || d.Longest != 2999 || d.LeftOut != 2980 {
			t.Errorf("got %+v", d)
		}
		for i, s := range d.States {
			if s.Ready || i == 0 && !strings.HasPrefix(s.Lane, "source-2907/") {
				t.Errorf("state %d is of %s, ready: %t, want those that are not, the longest lag first", i, s.Lane, s.Ready)
			}
		}
	})
}
